// Connections of other programs that were accepted and have not said their first byte: nobody waits for them.
//
// Security: whoever may connect may also be silent. A silent client costs a descriptor for a second, and when the room is full the one that
// has been silent for longest goes; the others, and the clients that speak, notice nothing.

import MailIPC
import SystemKit

/// The waiting room for preambles. It owns its descriptors.
final class PreambleRoom {
    /// What became of a connection.
    enum Word: Hashable, Sendable {
        /// A client, with what came beside its word. Both are the caller's.
        case client(Int32, IPCBeside)
        /// It closed without a word: somebody asks the program to look for work. Closed here, too.
        case wakeUp
    }

    /// How many connections may be silent at a time.
    static let limit = 64
    /// How long one may be silent, in microseconds; our clients speak at once.
    static let patience: Int64 = 1_000_000

    private var silent: [(descriptor: Int32, deadline: Int64)] = []

    init() {}

    deinit { for waiting in silent { _ = FileDescriptor(owning: waiting.descriptor) } }

    /// What to poll for reading.
    var descriptors: [Int32] { silent.map(\.descriptor) }

    /// When the next one has been silent for too long; nil where nobody waits.
    var nextDeadline: Int64? { silent.first?.deadline }

    /// Takes a connection that was just accepted: its word, if it has one already.
    func enter(_ descriptor: Int32, now: Int64) -> Word? {
        if (try? Polling.isReadable(descriptor, within: 0)) == true { return Self.word(descriptor) }
        if silent.count >= Self.limit { _ = FileDescriptor(owning: silent.removeFirst().descriptor) }
        silent.append((descriptor, now + Self.patience))
        return nil
    }

    /// The word of one that became readable.
    func leave(_ descriptor: Int32) -> Word? {
        guard let position = silent.firstIndex(where: { $0.descriptor == descriptor }) else { return nil }
        silent.remove(at: position)
        return Self.word(descriptor)
    }

    /// Closes those whose time is over.
    func expire(now: Int64) {
        while let first = silent.first, first.deadline <= now {
            silent.removeFirst()
            _ = FileDescriptor(owning: first.descriptor)
        }
    }

    private static func word(_ descriptor: Int32) -> Word {
        if let beside = IPCPreambleReader.read(from: descriptor, patience: 0) { return .client(descriptor, beside) }
        _ = FileDescriptor(owning: descriptor)
        return .wakeUp
    }
}

// The messages of the queue as a listing shows them, read from their files a few at a time: `incoming`, `deferred`, `hold`.
//
// Why a message waits stands in `defer/ID`, which `bounce` writes; whoever may read the queue may read it, and a listing of 20,000 messages
// that asks `bounce` for each took six times as long.
// A listing may be read slowly, or never to its end: what it holds between two steps is bounded (``batch`` names), whatever the queue has.
// Security: files that are no messages, or gone meanwhile, are left out.
// Known limits: by age within each directory only as far as a batch goes; a message that moves meanwhile may be shown twice or not at all.

public import MailIPC
public import MailModel
public import SystemKit

/// A position in the queue.
public struct QueueInventory: Sendable {
    /// Names that are sorted, and kept, at a time.
    private static let batch = 20_000
    /// Messages of one step.
    private static let step = 128

    private let directories: QueueDirectories
    private let excluded: Set<QueueID>
    private var places: [(directory: QueueDirectory, place: QueueEntry.Place)] = [
        (.hold, .hold), (.deferred, .deferred), (.incoming, .incoming),
    ]
    private var names: DirectoryNames?
    /// The youngest first.
    private var waiting: [QueueID] = []

    /// - Parameter excluded: messages that are known otherwise.
    public init(_ directories: QueueDirectories, excluding excluded: Set<QueueID> = []) {
        self.directories = directories
        self.excluded = excluded
    }

    /// Whether the caller may read the queue.
    public var isReadable: Bool {
        places.allSatisfy { place in (try? FileDescriptor.open(directories.path(place.directory), [.readOnly, .directory])) != nil }
    }

    /// Some more messages, perhaps none; nil at the end. Blocks; for a thread of its own.
    public mutating func next() throws(SystemError) -> [QueueEntry]? {
        guard let place = places.last else { return nil }
        if waiting.isEmpty {
            let open: DirectoryNames
            if let names { open = names } else { open = try DirectoryNames(directories.path(place.directory)) }
            names = open
            waiting = try open.next(Self.batch).compactMap { QueueID($0) }.sorted(by: >)
            if waiting.isEmpty {
                names = nil
                places.removeLast()
                return []
            }
        }
        var entries: [QueueEntry] = []
        for _ in 0..<min(Self.step, waiting.count) {
            let id = waiting.removeLast()
            if !excluded.contains(id), let entry = entry(id, in: place.directory, place.place) { entries.append(entry) }
        }
        return entries
    }

    private func entry(_ id: QueueID, in directory: QueueDirectory, _ place: QueueEntry.Place) -> QueueEntry? {
        // Whoever takes the file up says what is wrong with it.
        guard let reader = try? QueueFileReader(path: directories.path(directory, id)) else { return nil }
        let reasons = directory == .incoming ? [] : deferrals(of: id)
        var recipients: [QueueEntry.Recipient] = []
        for (recipient, state) in zip(reader.envelope.recipients, reader.states) where state == .todo {
            recipients.append(
                QueueEntry.Recipient(
                    address: recipient.address, originalAddress: recipient.originalAddress,
                    delayReason: reasons.last { $0.recipient.address == recipient.address }?.outcome.reason ?? ""))
        }
        return QueueEntry(
            queueID: id, place: place, arrival: reader.envelope.arrival, nextAttempt: place == .deferred ? reader.modified : 0,
            size: reader.header.contentLength, sender: reader.envelope.sender, recipients: recipients)
    }

    /// The log that informs: where it cannot be read, or is being rewritten, a reason is missing.
    private func deferrals(of id: QueueID) -> [BounceRecord] {
        do throws(SystemError) {
            let file = try FileDescriptor.open(directories.path(.defer, id), [.readOnly, .noFollow])
            return BounceLogFile.parse(try file.readAll(limit: BounceLogFile.sizeLimit)).records
        } catch {
            return []
        }
    }
}

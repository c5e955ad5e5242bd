// The messages of the queue as a listing shows them, read from their files a few at a time: `maildrop`, `incoming`, `deferred`, `hold`.
//
// Why a message waits stands in `defer/ID`, which `bounce` writes; whoever may read the queue may read it, and a listing of 20,000 messages
// that asks `bounce` for each took six times as long.
// A listing may be read slowly, or never to its end: what it holds between two steps is bounded (``batch`` names), whatever the queue has.
// Security: files that are no messages, or gone meanwhile, are left out. Of a file in `maildrop`, which users wrote by way of `postdrop`, the
// beginning is read, up to the end of its envelope and within the decoder's bounds.
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
        (.hold, .hold), (.deferred, .deferred), (.incoming, .incoming), (.maildrop, .maildrop),
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
        places.allSatisfy { place in
            place.place == .maildrop || (try? FileDescriptor.open(directories.path(place.directory), [.readOnly, .directory])) != nil
        }
    }

    /// Some more messages, perhaps none; nil at the end. Blocks; for a thread of its own.
    public mutating func next() throws(SystemError) -> [QueueEntry]? {
        guard let place = places.last else { return nil }
        if waiting.isEmpty {
            let open: DirectoryNames
            do throws(SystemError) {
                if let names { open = names } else { open = try DirectoryNames(directories.path(place.directory)) }
            } catch {
                // What is there waits for pickup whether it is shown or not.
                guard place.place == .maildrop else { throw error }
                places.removeLast()
                return []
            }
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
        if place == .maildrop { return submission(id) }
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

    /// What pickup has not taken yet, as Postfix lists it: with the time and the size of the file.
    private func submission(_ id: QueueID) -> QueueEntry? {
        do {
            let file = try FileDescriptor.open(directories.path(.maildrop, id), [.readOnly, .noFollow, .nonBlocking])
            let status = try file.status()
            guard status.isRegularFile else { return nil }
            var decoder = MaildropFileDecoder(maximumContent: .max)
            var rest = MaildropFile.maximumEnvelope + (64 << 10)
            while rest > 0 {
                if let event = try decoder.next() {
                    guard case .envelope(let envelope) = event else { return nil }
                    return QueueEntry(
                        queueID: id, place: .maildrop, arrival: status.modified, nextAttempt: 0, size: UInt64(clamping: status.size),
                        sender: envelope.sender,
                        recipients: envelope.recipients.map {
                            QueueEntry.Recipient(address: $0.address, originalAddress: nil, delayReason: "")
                        })
                }
                let bytes = try file.read(upTo: 64 << 10)
                if bytes.isEmpty { return nil }
                rest -= bytes.count
                decoder.append(bytes)
            }
            return nil
        } catch {
            return nil
        }
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

// One file of `maildrop` on its way to cleanup.
//
// Security: the file is hostile. It is opened without following links, must be a regular file with one name, is read once from front to
// back, and counts as a message only when its end record was right: until then cleanup keeps nothing. Who submitted it is the owner of the
// file.

import InternetMessage
import MailIPC
import MailLog
import MailModel
import MailQueue
import NIOCore
import ServiceKit
import SystemKit

@ServiceActor
final class MaildropSubmission: Sendable {
    private let directories: QueueDirectories
    let cleanup: IPCClient
    let log: MailLog
    private let maximumContent: UInt64
    let hostName: String
    let completion: AddressCompletion
    private var rate: SubmissionRate
    /// Whether a file that was met counted as one too many: it counts once, however often it is tried.
    private var isOverLimit: [QueueID: Bool] = [:]
    /// cleanup could not be reached: the rest of this round would fail, too.
    var isCleanupDown = false
    /// Files of this round that are to be tried again.
    var keptCount = 0
    /// Files that are dealt with and would not go away: only their removal is tried again, or a sick disk would send them once a minute.
    private var finished: Set<QueueID> = []
    /// How many of the messages in a file cleanup has taken.
    private var progress: [QueueID: Int] = [:]

    private static let readSize = 128 << 10
    /// A wait for cleanup's reply: its content checks may take long.
    static let replyTimeout = TimeAmount.minutes(10)

    init(
        directories: QueueDirectories, cleanup: IPCClient, log: MailLog, maximumContent: UInt64, hostName: String,
        completion: AddressCompletion, rate: SubmissionRate
    ) {
        self.directories = directories
        self.cleanup = cleanup
        self.log = log
        self.maximumContent = maximumContent
        self.hostName = hostName
        self.completion = completion
        self.rate = rate
    }

    /// Why a file cannot go to cleanup, now or ever.
    enum Obstacle: Error {
        /// Nothing is wrong with the file: it stays for the next round.
        case later(String)
        /// It is no submission: to `corrupt`.
        case corrupt(String)
    }

    /// Sees one file through. Never throws: what goes wrong is logged, and the file is where the next round or an administrator finds it.
    func run(_ id: QueueID) async {
        do {
            let path = directories.path(.maildrop, id)
            if finished.contains(id) { return try remove(id, path: path) }
            let file: SystemKit.FileDescriptor
            do throws(SystemError) {
                file = try SystemKit.FileDescriptor.open(path, [.readOnly, .noFollow, .nonBlocking])
            } catch {
                // Gone: another round was faster, or the administrator removed it.
                if error.isNotFound {
                    isOverLimit[id] = nil
                    return
                }
                // ELOOP is a symbolic link, which no postdrop makes.
                throw error.errno == 40 ? Obstacle.corrupt("a symbolic link") : Obstacle.later("\(error)")
            }
            try await take(id, path: path, file: file)
        } catch Obstacle.corrupt(let reason) {
            setAside(id, reason)
        } catch Obstacle.later(let reason) {
            keptCount += 1
            log.warning("\(id): maildrop file is kept: \(reason)")
        } catch {
            keptCount += 1
            log.warning("\(id): maildrop file is kept: \(error)")
        }
    }

    private func take(_ id: QueueID, path: String, file: borrowing SystemKit.FileDescriptor) async throws {
        let status = try file.status()
        guard status.isRegularFile else { throw Obstacle.corrupt("not a regular file") }
        guard status.links == 1 else { throw Obstacle.corrupt("the file has \(status.links) names") }
        let isHeld = isOverLimit[id] ?? rate.isExceeded(by: status.owner, now: SystemClock.now())
        isOverLimit[id] = isHeld
        // A submission with variable return paths is several messages. Those that were taken are not sent again in a later round; what a
        // crash makes of it is window D4 of the state table.
        var taken = progress[id] ?? 0
        while true {
            let copies = try await submit(id, copy: taken, file: file, owner: status.owner, isHeld: isHeld)
            taken += 1
            if taken >= copies { break }
            progress[id] = taken
        }
        try remove(id, path: path)
    }

    /// Sends one of the messages that a file holds; returns how many there are.
    private func submit(
        _ id: QueueID, copy: Int, file: borrowing SystemKit.FileDescriptor, owner: UInt32, isHeld: Bool
    ) async throws -> Int {
        let stream: IPCStream
        do throws(IPCError) {
            stream = try await cleanup.open()
        } catch {
            if !isCleanupDown { log.warning("cleanup service: \(error)") }
            isCleanupDown = true
            throw Obstacle.later("cleanup cannot be reached")
        }
        let sent: Sent
        do {
            sent = try await send(id, file, copy: copy, owner: owner, isHeld: isHeld, over: stream)
            stream.finish()
        } catch {
            stream.reset()
            throw error
        }
        switch sent.reply {
        case .queued(let queued): if isHeld { PickupLog.hold(log, queued, owner: owner, rate) }
        case .refused(let refusal):
            guard refusal.isPermanentFailure else { throw Obstacle.later("\(refusal)") }
            try await giveBack(id, sent.envelope, refusal)
        }
        return sent.copies
    }

    /// What was sent, how many messages the file holds, and what cleanup said.
    private struct Sent {
        let envelope: Envelope
        let copies: Int
        let reply: SubmitReply
    }

    /// Reads the file once and sends it on; the reply counts only when the end record was right.
    private func send(
        _ id: QueueID, _ file: borrowing SystemKit.FileDescriptor, copy: Int, owner: UInt32, isHeld: Bool, over stream: IPCStream
    ) async throws -> Sent {
        var decoder = MaildropFileDecoder(maximumContent: maximumContent)
        var envelope: Envelope?
        var verp: VERPDelimiters?
        var isBegun = false
        var isQuestion = false
        var offset: Int64 = 0
        /// Sends the envelope, once it is known whether it has variable return paths.
        func begin() async throws {
            guard !isBegun, let whole = envelope else { return }
            isBegun = true
            if let verp {
                guard whole.recipients.indices.contains(copy) else { throw Obstacle.corrupt("recipient \(copy) is gone") }
                envelope?.recipients = [whole.recipients[copy]]
                envelope?.sender = verp.sender(whole.sender, for: whole.recipients[copy].address)
            }
            let sender = envelope?.sender.logForm ?? ""
            let line = PickupLog.announcement(log, id, owner: owner, controlGroup: envelope?.controlGroup ?? "", sender: sender)
            try await stream.send(CleanupFrame.submit, envelope?.encoded ?? [])
            try await stream.send(CleanupFrame.announce, line.encoded)
        }
        var copies = 1
        while !decoder.isComplete {
            let bytes = try file.pread(upTo: Self.readSize, at: offset)
            guard !bytes.isEmpty else { throw Obstacle.corrupt("it ends too early") }
            offset += Int64(bytes.count)
            decoder.append(bytes)
            while let event = try next(&decoder) {
                switch event {
                case .envelope(var given):
                    // Facts over claims: the owner of the file submitted it, and not in the future.
                    given.userID = Int64(owner)
                    given.isHeld = isHeld
                    given.arrival = min(max(given.arrival, 0), SystemClock.now())
                    envelope = given
                case .verp(let delimiters):
                    verp = delimiters
                    copies = envelope?.recipients.count ?? 1
                case .question: isQuestion = true
                case .content(let content):
                    guard !isQuestion else { throw Obstacle.corrupt("a question with content") }
                    try await begin()
                    try await stream.send(CleanupFrame.content, content)
                case .end where isQuestion: break
                case .end:
                    try await begin()
                    try await stream.send(CleanupFrame.commit)
                }
            }
        }
        guard try file.pread(upTo: 1, at: offset).isEmpty else { throw Obstacle.corrupt("bytes after the end record") }
        if isQuestion, let question = envelope {
            let report = VerificationReport(question: question, verdicts: try await verdicts(on: question), hostName: hostName)
            let line = PickupLog.announcement(log, id, owner: owner, controlGroup: question.controlGroup, sender: "")
            return Sent(
                envelope: report.envelope, copies: 1,
                reply: try await post(report.envelope, content: report.content, announcing: line))
        }
        guard let envelope, let frame = try await stream.receive(deadline: .now() + Self.replyTimeout) else {
            throw Obstacle.later("cleanup gave no reply")
        }
        return Sent(envelope: envelope, copies: copies, reply: try SubmitReply(frame: frame))
    }

    private func next(_ decoder: inout MaildropFileDecoder) throws(Obstacle) -> MaildropFileDecoder.Event? {
        do throws(MaildropFileError) {
            return try decoder.next()
        } catch {
            throw .corrupt("\(error)")
        }
    }

    private func remove(_ id: QueueID, path: String) throws(SystemError) {
        finished.insert(id)
        progress[id] = nil
        isOverLimit[id] = nil
        do throws(SystemError) {
            try Files.unlink(path)
        } catch {
            if !error.isNotFound { throw error }
        }
        finished.remove(id)
    }

    private func setAside(_ id: QueueID, _ reason: String) {
        progress[id] = nil
        isOverLimit[id] = nil
        do throws(SystemError) {
            try Files.rename(directories.path(.maildrop, id), directories.path(.corrupt, id))
            log.warning("\(id): maildrop file moved to corrupt: \(reason)")
        } catch {
            log.warning("\(id): maildrop file is bad (\(reason)) and cannot be moved to corrupt: \(error)")
        }
    }
}

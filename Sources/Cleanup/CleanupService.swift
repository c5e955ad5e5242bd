// cleanup: the only door into the queue.
//
// Each stream is one message or one question about a recipient. A message is committed with others, to a log or as a file, is announced to qmgr,
// and only then acknowledged (DESIGN.md, section 1.1). Whatever goes wrong before that leaves nothing and is told with 4xx or 5xx.
// Security: runs as the mail owner, outside any jail, and trusts no byte of content or envelope; sizes and counts are bounded.
// Limits: no header_checks, body_checks or milters yet.

import AddressRouting
import InternetMessage
import MailConfiguration
import MailIPC
import MailLog
import MailModel
import MailQueue
import NIOCore
import ServiceKit
import SystemKit

@ServiceActor
final class CleanupService {
    private let context: ServiceContext
    private let log: MailLog
    private let router: AddressRouter
    private let policy: MessageRewriter.Policy
    /// `enable_original_recipient`.
    private let keepsOriginals: Bool
    private let directories: QueueDirectories
    private let logs: CommitLogs
    private let committer: GroupCommitter
    private let notifier: ArrivalNotifier
    private let sizeLimit: Int
    private let patience: TimeAmount
    private let unique: UInt64
    /// For content of large messages that is written when they are committed.
    private let room = ContentRoom(bytes: CleanupService.roomSize)
    /// Some 28 of them.
    nonisolated static let roomSize = 32 << 20
    /// The time in the last id. Ids of one process never repeat, also when the clock is set back: a file that went on to `deferred` or `hold`
    /// is out of sight of O_EXCL, and a rename would put a namesake in its place.
    private var lastTime: Int64 = 0

    init(context: ServiceContext, router: AddressRouter) {
        self.context = context
        self.router = router
        log = context.log
        let configuration = context.configuration
        directories = QueueDirectories(root: context.queueDirectory)
        logs = CommitLogs(directories: directories, size: configuration[Parameters.commitLogSize], log: log)
        committer = GroupCommitter(logs: logs, log: log)
        notifier = ArrivalNotifier(path: context.socket("qmgr", isPrivate: false), log: log)
        sizeLimit = configuration[Parameters.messageSizeLimit]
        patience = .seconds(Int64(configuration[Parameters.ipcTimeout]))
        unique = UInt64(UInt32(bitPattern: ProcessSpawn.currentProcessID)) & 0xFF_FFFF
        policy = MessageRewriter.Policy(configuration, router: router)
        keepsOriginals = configuration[Parameters.enableOriginalRecipient]
    }

    /// Answers one stream.
    func serve(_ stream: IPCStream) async {
        do {
            guard let first = try await stream.receive(deadline: .now() + patience) else { return }
            switch first.type {
            case CleanupFrame.checkRecipients:
                let question = try RecipientQuestion(decoding: first.payload[...])
                let answer = RecipientAnswer(question.recipients.map { router.verify(recipient: $0) })
                try await stream.send(CleanupFrame.verdicts, answer.encoded)
            case CleanupFrame.checkSpace:
                var encoder = ByteEncoder()
                encoder.put(try Files.freeSpace(of: directories.root))
                try await stream.send(CleanupFrame.space, encoder.bytes)
            case CleanupFrame.submit:
                let reply = try await submit(try Envelope(decoding: first.payload[...]), from: stream)
                switch reply {
                case .queued(let id): try await stream.send(CleanupFrame.queued, id.encoded)
                case .refused(let reply): try await stream.send(CleanupFrame.refused, reply.encoded)
                }
            default:
                throw IPCError.violation("cleanup frame type \(first.type)")
            }
        } catch IPCError.broken {
            // The client went away: smtpd logs what happened to its client; nothing was accepted.
        } catch {
            log.warning("request dropped: \(error)")
            stream.reset()
        }
    }

    /// What is done once, at the start.
    func recover() { logs.recover() }

    func finish() async {
        await notifier.finish()
        await logs.finish()
    }

    private func submit(_ given: Envelope, from stream: IPCStream) async throws -> SubmitReply {
        var envelope = given
        do {
            envelope.sender = try router.canonical(envelope.sender, in: .envelopeSender)
            envelope.recipients = try RecipientExpansion.expand(envelope, router: router, keepsOriginals: keepsOriginals)
        } catch {
            log.warning("address mapping: \(error)")
            return .refused(SMTPReply(451, error.status.with(statusClass: 4), "Error: queue file write error: \(error.reason)"))
        }
        guard !envelope.recipients.isEmpty else {
            return .refused(SMTPReply(554, EnhancedStatusCode(5, 5, 1), "Error: no valid recipients"))
        }
        let directory = envelope.isHeld ? QueueDirectory.hold : .incoming
        let now = SystemClock.now()
        lastTime = max(now, lastTime + 1)
        // smtpd may be taken over, and every program after this one calculates with this time.
        envelope.arrival = min(max(envelope.arrival, 0), now)
        let writer = QueueFileWriter(in: directories.path(directory), envelope: envelope, now: lastTime, unique: unique, room: room)
        defer { writer.leaveRoom() }
        let seconds = now / 1_000_000
        let offset = SystemClock.localOffset(at: seconds)
        let date = RFC5322Date(seconds: seconds, offset: offset).text(zoneName: offset == 0 ? "UTC" : nil)
        var rewriter = MessageRewriter(policy: policy, envelope: envelope, queueID: writer.id, date: date)
        var announcement: LogAnnouncement?
        if let refused = try await receiveContent(from: stream, into: writer, through: &rewriter, &announcement) {
            return .refused(refused)
        }
        let file: CompletedQueueFile
        do {
            file = try writer.finish(contentFacts: rewriter.facts)
        } catch {
            return refusal(for: error)
        }
        let durable: GroupCommitter.Durable
        switch await committer.commit(file) {
        case .success(let found): durable = found
        case .failure(let error): return refusal(for: error)
        }
        announcement?.write(to: log, file.id)
        let messageID = ASCII.printable(rewriter.messageID ?? Array("<>".utf8))
        log.info(
            "\(file.id): message-id=\(messageID)",
            fields: .event("queued", file.id) + [
                "message_id": .text(messageID), "sender": .text(envelope.sender.logForm),
                "size": .number(Int64(clamping: file.header.contentLength)),
                "nrcpt": .number(Int64(envelope.recipients.count)), "origin": .text("\(envelope.origin)"),
            ])
        if rewriter.isHeaderCut {
            log.warning("\(file.id): header longer than header_size_limit (\(policy.headerSizeLimit) bytes) cut")
        }
        // Of one that is held, too: qmgr has nothing to do, but it is qmgr that will remove it.
        notifier.announce(
            ArrivalNotice(
                queueID: file.id, envelope: envelope, contentFacts: file.header.contentFacts, contentOffset: file.header.contentOffset,
                contentLength: file.header.contentLength, place: durable.place, isFile: durable.isFile))
        return .queued(file.id)
    }

    /// Writes content until `commit`. Returns why the message is refused, or nil.
    private func receiveContent(
        from stream: IPCStream, into writer: QueueFileWriter, through rewriter: inout MessageRewriter,
        _ announcement: inout LogAnnouncement?
    ) async throws -> SMTPReply? {
        var received = 0
        while let frame = try await stream.receive(deadline: .now() + patience) {
            let parts: (header: [UInt8], body: ArraySlice<UInt8>)
            switch frame.type {
            case CleanupFrame.content:
                received += frame.payload.count
                // RFC 1870 section 6.3.
                if sizeLimit > 0 && received > sizeLimit {
                    return SMTPReply(552, EnhancedStatusCode(5, 3, 4), "Error: message file too big")
                }
                parts = rewriter.consume(frame.payload[...])
            case CleanupFrame.announce:
                announcement = try LogAnnouncement(decoding: frame.payload[...])
                continue
            case CleanupFrame.commit:
                parts = rewriter.finish()
            default:
                throw IPCError.violation("cleanup frame type \(frame.type) within a message")
            }
            if let refusal = rewriter.refusal { return refusal }
            do {
                if !parts.header.isEmpty { try writer.append(parts.header) }
                // A small part does not hold the memory of a whole frame while it waits.
                let isPart = parts.body.count < frame.payload.count / 2
                if !parts.body.isEmpty { try writer.append(isPart ? Array(parts.body)[...] : parts.body) }
            } catch {
                log.warning("queue file write error: \(error)")
                return CleanupService.refusal(for: error)
            }
            if frame.type == CleanupFrame.commit { return nil }
        }
        throw IPCError.broken("message cancelled")
    }

    private func refusal(for error: SystemError) -> SubmitReply {
        log.warning("queue file write error: \(error)")
        return .refused(CleanupService.refusal(for: error))
    }

    /// The client tries again, whatever is wrong with the disk.
    nonisolated static func refusal(for error: SystemError) -> SMTPReply {
        error.isOutOfSpace
            ? SMTPReply(452, EnhancedStatusCode(4, 3, 1), "Insufficient system storage")
            : SMTPReply(451, EnhancedStatusCode(4, 3, 0), "Error: queue file write error")
    }
}

/// The program.
public enum CleanupProgram {
    public static func main() -> Never {
        Daemon.run("cleanup", listening: .programs, keepsFreed: CleanupService.roomSize) { context in
            // smtpd alone is another user. Who merely has the group of public/ may not write envelopes here (DESIGN.md, section 1).
            let network = try UserDatabase.user(named: context.configuration[Parameters.networkOwner])
            let router = AddressRouter(configuration: context.configuration, warn: { context.log.warning($0) })
            return (router, Set(network.map { [$0.uid] } ?? []))
        } start: { context, prepared, _ in
            let (router, users) = prepared
            let cleanup = CleanupService(context: context, router: router)
            cleanup.recover()
            return IPCService(
                protocol: .cleanup, capacity: 1000, users: users, log: context.log, serve: { await cleanup.serve($0) },
                onDrain: { await cleanup.finish() })
        }
    }
}

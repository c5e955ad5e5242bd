// The door into the queue as it really is: streams to `cleanup`.
//
// A small message goes out in one burst, envelope, content and commit, and one answer comes back. A large one is streamed; the stream's
// credit holds the client back when cleanup is slow. Security: whatever goes wrong here is a 4xx for the client, never a 250.

import MailIPC
import MailModel
import NIOCore
import ServiceKit

@ServiceActor
final class QueueConnection: QueueDoor {
    private let client: IPCClient
    private let patience: TimeAmount
    private var space: (free: Int64?, until: NIODeadline)?

    /// How long an answer about free space is good.
    private static let spaceTime = TimeAmount.seconds(1)
    private var known = KnownRecipients()

    init(_ address: ServiceAddress, patienceInSeconds: Int) {
        client = IPCClient(address, protocol: .cleanup)
        patience = .seconds(Int64(patienceInSeconds))
    }

    func verdict(
        on recipient: MailAddress, upcoming: @ServiceActor (_ limit: Int) -> [MailAddress]
    ) async -> (verdict: RecipientVerdict?, problem: String) {
        if let verdict = known.verdict(on: recipient, now: .now()) { return (verdict, "") }
        let others = upcoming(RecipientQuestion.limit - 1).filter { known.verdict(on: $0, now: .now()) == nil }
        let asked = [recipient] + others
        do {
            let frame = try await client.request(CleanupFrame.checkRecipients, RecipientQuestion(asked).encoded, timeout: patience)
            let verdicts = try RecipientAnswer(frame: frame, to: asked.count).verdicts
            for (address, verdict) in zip(asked, verdicts) { known.learn(verdict, on: address, now: .now()) }
            return (verdicts[0], "")
        } catch {
            return (nil, "\(error)")
        }
    }

    func freeSpace() async -> Int64? {
        if let space, space.until > .now() { return space.free }
        // Those who come while the question is under way go on with the old answer.
        space = (space?.free, .now() + QueueConnection.spaceTime)
        var free: Int64?
        do {
            let frame = try await client.request(CleanupFrame.checkSpace, [], timeout: patience)
            if frame.type == CleanupFrame.space {
                var decoder = ByteDecoder(frame.payload)
                free = try decoder.take(Int64.self)
            }
        } catch {
            // cleanup cannot be reached: it says so when the message comes, with 451.
            free = nil
        }
        space = (free, .now() + QueueConnection.spaceTime)
        return free
    }

    func submit(_ envelope: Envelope, _ line: LogAnnouncement) -> any Submission {
        QueueSubmission(client: client, envelope: envelope, line: line, patience: patience)
    }
}

@ServiceActor
private final class QueueSubmission: Submission {
    private let client: IPCClient
    private let envelope: Envelope
    private let line: LogAnnouncement
    private let patience: TimeAmount
    private var stream: IPCStream?
    private var failure: String?

    /// Payload of a content frame.
    private static let frameSize = 65536

    init(client: IPCClient, envelope: Envelope, line: LogAnnouncement, patience: TimeAmount) {
        self.client = client
        self.envelope = envelope
        self.line = line
        self.patience = patience
    }

    func send(_ content: [UInt8]) async {
        guard failure == nil else { return }
        do throws(IPCError) {
            let stream = try await opened()
            var start = 0
            while start < content.count {
                let end = min(start + QueueSubmission.frameSize, content.count)
                let piece = start == 0 && end == content.count ? content : Array(content[start..<end])
                try await stream.send(CleanupFrame.content, piece)
                start = end
            }
        } catch {
            failure = "\(error)"
        }
    }

    func commit(_ content: [UInt8]) async -> SubmissionResult {
        await send(content)
        do throws(IPCError) {
            let stream = try await opened()
            if failure == nil { try await stream.send(CleanupFrame.commit) }
        } catch {
            failure = failure ?? "\(error)"
        }
        // Also after a failure to send there may be an answer: a refusal ends the stream from the other side.
        guard let stream else { return .unavailable(failure ?? "no stream") }
        do {
            guard let frame = try await stream.receive(deadline: .now() + patience) else { return .unavailable(failure ?? "no answer") }
            let reply = try SubmitReply(frame: frame)
            stream.finish()
            switch reply {
            case .queued(let id): return .queued(id)
            case .refused(let refusal): return .refused(refusal)
            }
        } catch {
            stream.reset()
            return .unavailable(failure ?? "\(error)")
        }
    }

    func cancel() {
        stream?.reset()
        stream = nil
        failure = failure ?? "cancelled"
    }

    private func opened() async throws(IPCError) -> IPCStream {
        if let stream { return stream }
        let opened = try await client.open()
        do throws(IPCError) {
            try await opened.send(CleanupFrame.submit, envelope.encoded)
            try await opened.send(CleanupFrame.announce, line.encoded)
        } catch {
            opened.reset()
            throw error
        }
        stream = opened
        return opened
    }
}

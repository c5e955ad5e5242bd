// What the sender of a submission is told: that cleanup will never take it, or what cleanup says of its recipients. pickup's own mail.

import InternetMessage
import MailIPC
import MailLog
import MailModel
import NIOCore
import ServiceKit
import SystemKit

extension MaildropSubmission {
    /// What cleanup says of each recipient of a question.
    func verdicts(on question: Envelope) async throws -> [(address: MailAddress, verdict: RecipientVerdict)] {
        var out: [(address: MailAddress, verdict: RecipientVerdict)] = []
        for recipient in question.recipients {
            // As cleanup completes the recipients of a submission.
            let address = completion.complete(recipient.address)
            let frame = try await cleanup.request(
                CleanupFrame.checkRecipients, RecipientQuestion([address]).encoded, timeout: Self.replyTimeout)
            out += try RecipientAnswer(frame: frame, to: 1).verdicts.map { (address, $0) }
        }
        return out
    }

    /// cleanup will never take it: the sender is told, and then the file may go.
    func giveBack(_ id: QueueID, _ envelope: Envelope, _ refusal: SMTPReply) async throws {
        log.warning("\(id): maildrop file refused: \(refusal)")
        // No report about a report (RFC 5321 section 6.1).
        guard !envelope.sender.isNull else { throw Obstacle.corrupt("refused, and it has no sender to be told") }
        let notice = RefusalNotice(envelope: envelope, refusal: refusal, hostName: hostName, time: SystemClock.now())
        switch try await post(notice.envelope, content: notice.content) {
        case .queued(let queueID): log.info("\(id): sender non-delivery notification: \(queueID)")
        case .refused(let reply) where reply.isPermanentFailure:
            throw Obstacle.corrupt("refused, and so was the notice to <\(envelope.sender.logForm)>: \(reply)")
        case .refused(let reply): throw Obstacle.later("\(reply)")
        }
    }

    /// Submits a message of pickup's own making. On a stream of its own: a server takes the first frames of streams in the order of their
    /// opening, and one that is open already may not wait until this one is answered.
    func post(_ envelope: Envelope, content: [UInt8], announcing line: LogAnnouncement? = nil) async throws -> SubmitReply {
        let stream = try await cleanup.open()
        do {
            try await stream.send(CleanupFrame.submit, envelope.encoded)
            if let line { try await stream.send(CleanupFrame.announce, line.encoded) }
            try await stream.send(CleanupFrame.content, content)
            try await stream.send(CleanupFrame.commit)
            guard let frame = try await stream.receive(deadline: .now() + Self.replyTimeout) else {
                throw Obstacle.later("cleanup gave no reply")
            }
            stream.finish()
            return try SubmitReply(frame: frame)
        } catch {
            stream.reset()
            throw error
        }
    }
}

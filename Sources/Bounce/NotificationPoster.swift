// Posts a notification through cleanup and waits until it is durable: only then may the log it was made from go (DESIGN.md, section 1.1).

import MailIPC
import MailModel
import NIOCore
import ServiceKit

/// Puts a message into the queue.
@ServiceActor
protocol NotificationPosting: AnyObject {
    /// The id of the message, durable in the queue; or why it is not.
    func post(_ envelope: Envelope, content: [UInt8]) async -> Result<QueueID, PostingFailure>
}

/// Why a notification is not in the queue.
struct PostingFailure: Error, Equatable {
    var text: String
    /// The same message will be refused again.
    var isPermanent: Bool
}

@ServiceActor
final class CleanupPoster: NotificationPosting {
    private let client: IPCClient
    private let timeout: TimeAmount

    init(path: String, timeout: TimeAmount) {
        client = IPCClient(path: path, protocol: .cleanup)
        self.timeout = timeout
    }

    func post(_ envelope: Envelope, content: [UInt8]) async -> Result<QueueID, PostingFailure> {
        do {
            let stream = try await client.open()
            do {
                try await stream.send(CleanupFrame.submit, envelope.encoded)
                for start in stride(from: 0, to: content.count, by: IPCFrame.chunkSize) {
                    try await stream.send(CleanupFrame.content, Array(content[start..<min(start + IPCFrame.chunkSize, content.count)]))
                }
                try await stream.send(CleanupFrame.commit)
                guard let frame = try await stream.receive(deadline: .now() + timeout) else { throw IPCError.broken("no answer") }
                let reply = try SubmitReply(frame: frame)
                stream.finish()
                switch reply {
                case .queued(let id): return .success(id)
                case .refused(let reply):
                    return .failure(PostingFailure(text: ASCII.printable(reply.description.utf8), isPermanent: reply.isPermanentFailure))
                }
            } catch {
                stream.reset()
                throw error
            }
        } catch {
            return .failure(PostingFailure(text: "cleanup: \(error)", isPermanent: false))
        }
    }
}

// What a session needs from outside, as protocols, so that tests bring their own network, queue and clock.

import MailIPC
import MailModel
import NIOCore
import ServiceKit
import TLS

/// The connection to the client.
@ServiceActor
protocol SessionTransport: AnyObject, Sendable {
    /// Some bytes; nil when the client has closed.
    func read(deadline: NIODeadline) async throws(ConnectionError) -> ByteBuffer?
    func write(_ bytes: [UInt8])
    func flush(deadline: NIODeadline) async throws(ConnectionError)
    /// Drops what was read in plain text and makes the handshake.
    func startTLS(deadline: NIODeadline) async throws(ConnectionError) -> TLSSessionFacts
    /// Closes after what was written is sent.
    func close()
}

/// A message on its way into the queue.
@ServiceActor
protocol Submission: AnyObject, Sendable {
    func send(_ content: [UInt8]) async
    /// No more content; the queue's answer. Whatever went wrong is a 4xx refusal.
    func commit(_ content: [UInt8]) async -> SubmissionResult
    func cancel()
}

enum SubmissionResult: Hashable, Sendable {
    case queued(QueueID)
    case refused(SMTPReply)
    /// The queue could not be reached or broke off; the reason is for the log.
    case unavailable(String)
}

/// The door into the queue.
@ServiceActor
protocol QueueDoor: AnyObject, Sendable {
    /// What is known about a recipient; nil with a reason where nobody could say.
    ///
    /// - Parameter upcoming: others that will be asked about next, as many as that, for whoever has to ask somebody.
    func verdict(
        on recipient: MailAddress, upcoming: @ServiceActor (_ limit: Int) -> [MailAddress]
    ) async -> (verdict: RecipientVerdict?, problem: String)
    /// Bytes that may still be written to the queue's file system, as of at most a second ago; nil where nobody could say.
    func freeSpace() async -> Int64?
    /// - Parameter line: what the log says of the client once the queue id is known.
    func submit(_ envelope: Envelope, _ line: LogAnnouncement) -> any Submission
}

extension QueueDoor {
    func verdict(on recipient: MailAddress) async -> (verdict: RecipientVerdict?, problem: String) {
        await verdict(on: recipient, upcoming: { _ in [] })
    }
}

/// Time.
@ServiceActor
protocol SessionClock: AnyObject, Sendable {
    /// Microseconds since 1970.
    func now() -> Int64
    func deadline(after seconds: Int) -> NIODeadline
    func pause(seconds: Int) async
}

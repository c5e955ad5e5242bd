// Requests that are done in one go: every delivery is prepared when its request comes, those into Maildirs become durable together when no more
// requests are there (MaildirBatch), and then all are answered in one write, after their log lines in another. While the disk is at work the
// next ones are prepared.
//
// What may take long (a command, a mailbox with a lock, another agent) must not hold up the others: before it begins, those that are prepared are
// committed and answered, and the client is told to take back what waits behind (`busy`, see MailIPC/DeliveryProtocol).
// Known limit: a request that does something long is answered when that is done, its own Maildirs with it.

import MailIPC
import MailModel
import SystemKit

/// The requests of one connection.
final class RequestBatch {
    /// How many requests a client may send ahead: some are prepared while others become durable.
    static let limit = 128
    /// How long to wait for the client's word that it has taken back the rest; it answers at once.
    private static let patience = 30_000

    private let connection: BlockingIPCConnection
    private let agent: LocalAgent
    private let maildirs = MaildirBatch()
    private typealias Work = (stream: UInt32, work: LocalAgent.Prepared)
    /// As far as the Maildirs: written; being synced; in `new`, which is being synced.
    private var prepared: [Work] = []
    private var syncing: [Work] = []
    private var named: [Work] = []
    /// The stream whose long work the client was told of.
    private var busyStream: UInt32?
    private var failure: IPCError?

    init(_ connection: BlockingIPCConnection, agent: LocalAgent) {
        self.connection = connection
        self.agent = agent
    }

    /// Makes the deliveries of a request. Those that are done are answered here where it is time.
    func take(_ frame: IPCFrame) throws(IPCError) {
        guard let request = try? DeliveryRequest(decoding: frame.payload[...]) else {
            throw .violation("a delivery request that cannot be decoded")
        }
        let descriptor = request.content == nil ? connection.takeDescriptor(for: frame.stream) : nil
        let work = agent.prepare(request, descriptor: descriptor, batch: maildirs) { [unowned self] in beginLongWork(frame.stream) }
        prepared.append((frame.stream, work))
        if let failure { throw failure }
        if busyStream != nil {
            try awaitPause()
            try finish()
        }
    }

    /// Whether nothing is left to do.
    var isFinished: Bool { prepared.isEmpty && syncing.isEmpty && named.isEmpty }

    /// Becomes readable when it is time to ``advance()``; nil where it is now.
    var endOfRound: Int32? { maildirs.endOfRound }

    /// One round further, and answers those that are durable.
    func advance() throws(IPCError) {
        maildirs.advance()
        let done = named
        named = syncing
        syncing = prepared
        prepared = []
        try answer(done)
    }

    /// Commits, and answers everything that is prepared.
    func finish() throws(IPCError) {
        maildirs.commit()
        let done = named + syncing + prepared
        (named, syncing, prepared) = ([], [], [])
        try answer(done)
    }

    private func answer(_ done: [Work]) throws(IPCError) {
        guard !done.isEmpty else { return }
        let replies = agent.gatheringLog {
            done.map { stream, work in
                switch work {
                case .answered(let reply): (stream: stream, payload: reply.encoded)
                case .delivering(let deliverer): (stream: stream, payload: DeliveryReply(outcomes: deliverer.finish()).encoded)
                }
            }
        }
        connection.timeout = RequestBatch.patience
        try connection.sendLast(DeliveryFrame.delivered, replies)
    }

    private func beginLongWork(_ stream: UInt32) {
        guard busyStream == nil, failure == nil else { return }
        do throws(IPCError) {
            // The request that is being prepared is not among those that are answered.
            try finish()
            try connection.send(DeliveryFrame.busy, stream: stream)
            busyStream = stream
        } catch {
            // The client is gone: the delivery goes on, as one that was begun, and its result is nobody's.
            failure = error
        }
    }

    /// Throws away requests until the client says that it has taken back what it sent.
    private func awaitPause() throws(IPCError) {
        guard let stream = busyStream else { return }
        busyStream = nil
        connection.timeout = RequestBatch.patience
        while let frame = try connection.receive() {
            if frame.stream == stream && frame.type == DeliveryFrame.paused { return }
            // To look for one that did not come would throw away those of the requests that count.
            if frame.type == DeliveryFrame.deliver, (try? DeliveryRequest(decoding: frame.payload[...]))?.content == nil,
                let descriptor = connection.takeDescriptor(for: frame.stream)
            {
                _ = FileDescriptor(owning: descriptor)
            }
        }
        throw .broken("closed by the other end")
    }
}

// Tells qmgr of each message that became durable, over one stream that is opened anew when qmgr went away.
//
// A notice that is lost loses nothing: qmgr scans `incoming` when it starts and from time to time.

import MailIPC
import MailLog
import MailModel
import ServiceKit

@ServiceActor
final class ArrivalNotifier {
    private let client: IPCClient
    private let log: MailLog
    private var stream: IPCStream?
    private var pending: [ArrivalNotice] = []
    private var isSending = false
    private var idleWaiters: [CheckedContinuation<Void, Never>] = []

    init(path: String, log: MailLog) {
        client = IPCClient(path: path, protocol: .queueManager)
        self.log = log
    }

    func announce(_ notice: ArrivalNotice) {
        pending.append(notice)
        guard !isSending else { return }
        isSending = true
        ServiceActor.start { [self] in
            while !pending.isEmpty {
                let batch = pending
                pending = []
                for notice in batch { await send(notice) }
            }
            isSending = false
            for waiter in idleWaiters { waiter.resume() }
            idleWaiters = []
        }
    }

    /// Waits until nothing is left to send.
    func finish() async {
        if isSending { await withCheckedContinuation { idleWaiters.append($0) } }
        stream?.finish()
        stream = nil
    }

    private func open() async throws(IPCError) -> IPCStream {
        let opened = try await client.open()
        // A qmgr that ends (a reload) waits for its streams, and keeps its successor waiting.
        opened.onGoAway = { [weak self, weak opened] in
            opened?.finish()
            if let self, stream === opened { stream = nil }
        }
        return opened
    }

    private func send(_ notice: ArrivalNotice) async {
        // The first failure may be that of a stream to a qmgr that was restarted; the second is told.
        for attempt in 1...2 {
            do {
                if stream == nil { stream = try await open() }
                try await stream?.send(QueueManagerFrame.arrived, notice.encoded)
                return
            } catch {
                stream = nil
                if attempt == 2 { log.warning("\(notice.queueID): cannot tell qmgr, its scan will find the message: \(error)") }
            }
        }
    }
}

// Frames out: small ones gather and leave with one write at the end of the turn, large ones go through the window or out from where they are.
//
// Known limit: what the kernel does not take is copied and kept. What is large waits in `awaitRoom`; what is small does not.

import MailIPC

extension IPCConnection {
    /// What waits for the end of this turn of the loop is sent at once from here on.
    private static let flushSize = 131_072
    /// A frame of this size goes out from where it is, uncopied, with what waits before it.
    static let largeSize = 16_384

    /// The other end does not keep up: what is large waits in ``awaitRoom()``.
    private var isCongested: Bool { stream.hasLeftovers && closed == nil }

    /// Waits until the kernel takes what is sent here: what it does not take is copied, and content comes faster than it goes.
    func awaitRoom() async {
        while isCongested {
            await withCheckedContinuation { continuation in
                guard isCongested else { return continuation.resume() }
                congested.append(continuation)
            }
        }
    }

    /// One after the other: the first may fill the socket again. Whoever waited calls this when it has sent, or does not send.
    func letNextSend() {
        guard !isCongested, !congested.isEmpty else { return }
        congested.removeFirst().resume()
    }

    /// Adds a frame to what goes out in one write at the end of this turn of the loop.
    func send(_ frame: IPCFrame) {
        guard closed == nil else { return }
        let isLarge = frame.payload.count >= IPCConnection.largeSize
        if isLarge, !isServer, let elsewhere = window?.put(frame) { return send(elsewhere) }
        IPCFrame.appendHeader(stream: frame.stream, type: frame.type, payloadCount: frame.payload.count, to: &outgoing)
        if isLarge {
            EndOfTurn.flushLogs()
            return flush(with: frame.payload)
        }
        outgoing += frame.payload
        if outgoing.count >= IPCConnection.flushSize { return flush() }
        guard !isFlushOrdered else { return }
        isFlushOrdered = true
        EndOfTurn.write {
            self.isFlushOrdered = false
            self.flush()
        }
    }

    func flush() { flush(with: []) }

    private func flush(with payload: [UInt8]) {
        guard closed == nil, !(outgoing.isEmpty && payload.isEmpty) else { return }
        var head = outgoing
        // A stream that finds the other end gone while it sends comes back here.
        outgoing = []
        stream.send(head, payload)
        guard outgoing.isEmpty, head.capacity <= IPCConnection.flushSize else { return }
        head.removeAll(keepingCapacity: true)
        outgoing = head
    }
}

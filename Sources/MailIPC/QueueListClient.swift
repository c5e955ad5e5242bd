// A list of the queue, as a command asks qmgr for it.

import MailModel

extension BlockingIPCConnection {
    /// Calls `body` with some messages at a time, as they come. A list that ends before its end is an error: what was not shown is there.
    public func listQueue(_ body: ([QueueEntry]) -> Void) throws(IPCError) {
        let stream = open()
        try send(QueueManagerFrame.list, stream: stream)
        while true {
            guard let frame = try receive() else { throw .broken("closed in the middle of a list") }
            if frame.type == MultiplexerFrame.end { return }
            guard frame.type == QueueManagerFrame.entries else { throw .violation("frame type \(frame.type) in a list") }
            do throws(ByteDecodingError) {
                var entries: [QueueEntry] = []
                try QueueEntry.forEach(in: frame.payload) { entries.append($0) }
                body(entries)
            } catch {
                throw .violation("\(error)")
            }
        }
    }
}

// Descriptors that travel beside the frames of a connection, over a socket of their own.
//
// Security: a peer that sends too many, or none with its message, loses its request and nothing else; what nobody takes is closed.

import MailIPC
import MailModel
import SystemKit

/// One end of a side channel. It owns its socket and what has come and was not taken.
@ServiceActor
final class IPCSideChannel {
    private let socket: Int32
    private var received: [UInt32: Int32] = [:]
    private var isGone = false

    init(owning socket: Int32) { self.socket = socket }

    func close() {
        guard !isGone else { return }
        isGone = true
        _ = FileDescriptor(owning: socket)
        for descriptor in received.values { _ = FileDescriptor(owning: descriptor) }
        received = [:]
    }

    /// Sends a descriptor for a stream; it arrives before any frame sent after it.
    func send(_ descriptor: Int32, for stream: UInt32) throws(IPCError) {
        guard !isGone else { throw .broken("the side channel is closed") }
        do {
            var encoder = ByteEncoder()
            encoder.put(stream)
            try Sockets.sendDescriptors([descriptor], with: encoder.bytes, over: socket)
        } catch {
            throw .broken("\(error)")
        }
    }

    /// The descriptor that the client passed for a stream, if it has come. It belongs to the caller.
    func take(for stream: UInt32) -> Int32? {
        while received[stream] == nil && !isGone {
            // Nothing there, or the other end is gone: the request will be deferred for want of its descriptor.
            guard let next = try? Sockets.receiveDescriptors(over: socket, limit: 4) else { break }
            var decoder = ByteDecoder(next.bytes)
            guard next.descriptors.count == 1, let id = try? decoder.take(UInt32.self) else {
                for descriptor in next.descriptors { _ = FileDescriptor(owning: descriptor) }
                if next.bytes.isEmpty { break }
                continue
            }
            received[id] = next.descriptors[0]
        }
        return received.removeValue(forKey: stream)
    }

    /// The stream is over.
    func forget(_ stream: UInt32) {
        if let descriptor = received.removeValue(forKey: stream) { _ = FileDescriptor(owning: descriptor) }
    }
}

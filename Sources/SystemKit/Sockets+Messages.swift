// Bytes and descriptors over sockets.
//
// Security: descriptors beyond the agreed number are closed, not kept (SCM_RIGHTS is a way to exhaust a peer).

import CSystemKit
import Glibc

extension Sockets {
    /// Sends both, one after the other, as far as the kernel takes them without waiting: how many bytes it took; nil for none now.
    public static func sendNow(_ first: [UInt8], _ second: [UInt8], over socket: Int32) throws(SystemError) -> Int? {
        let result = first.withUnsafeBytes { head in
            second.withUnsafeBytes { tail in
                // sendmsg reads what the vectors point at, and writes nothing there.
                var parts = [head, tail].map { iovec(iov_base: UnsafeMutableRawPointer(mutating: $0.baseAddress), iov_len: $0.count) }
                return parts.withUnsafeMutableBufferPointer { vector in
                    var message = msghdr()
                    message.msg_iov = vector.baseAddress
                    message.msg_iovlen = vector.count
                    return systemCall { sendmsg(socket, &message, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)) }
                }
            }
        }
        if result == -Int(EAGAIN) { return nil }
        return try checked(result, "sendmsg", "descriptor \(socket)")
    }

    /// One send(2) without SIGPIPE; returns the count, which may be partial on a stream.
    public static func send(_ bytes: some Collection<UInt8>, over fd: Int32) throws(SystemError) -> Int {
        let result = withBytes(of: bytes) { buffer in
            systemCall { Glibc.send(fd, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL)) }
        }
        return try checked(result, "send", "descriptor \(fd)")
    }

    /// One send(2) that never waits and raises no signal: how many bytes were taken, 0 where there is no room, nil where the socket takes nothing
    /// any more.
    ///
    /// - Parameter more: what is sent waits for more bytes, or for the end of the stream, to leave with (MSG_MORE).
    public static func sendNow(_ bytes: UnsafeRawBufferPointer, over fd: Int32, more: Bool = false) -> Int? {
        let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT) | (more ? Int32(MSG_MORE) : 0)
        let result = systemCall { Glibc.send(fd, bytes.baseAddress, bytes.count, flags) }
        return result >= 0 ? result : (result == -Int(EAGAIN) ? 0 : nil)
    }

    /// Sends descriptors with a payload of at least one byte; they stay open here. Returns the count of payload bytes sent.
    @discardableResult
    public static func sendDescriptors(_ fds: [Int32], with bytes: [UInt8], over fd: Int32) throws(SystemError) -> Int {
        let result = bytes.withUnsafeBytes { payload in
            shimCall { csk_send_descriptors(fd, payload.baseAddress, payload.count, fds, fds.count) }
        }
        return try checked(result, "send descriptors", "descriptor \(fd)")
    }

    /// Receives a payload of at most `limit` bytes (empty: end of stream) and at most `descriptorLimit` descriptors. The caller owns
    /// the descriptors. A peer that sends more of them is EMSGSIZE, and all are closed.
    public static func receiveDescriptors(
        over fd: Int32, limit: Int, descriptorLimit: Int = 1
    ) throws(SystemError) -> (bytes: [UInt8], descriptors: [Int32]) {
        var descriptors = [Int32](repeating: -1, count: max(descriptorLimit, 0))
        var count = 0
        var result = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: max(limit, 0)) { buffer, initialized in
            result = shimCall {
                csk_receive_descriptors(fd, buffer.baseAddress, buffer.count, &descriptors, descriptorLimit, &count)
            }
            initialized = max(result, 0)
        }
        try checked(result, "receive descriptors", "descriptor \(fd)")
        return (bytes, Array(descriptors.prefix(count)))
    }
}

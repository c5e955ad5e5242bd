// Stream and datagram sockets for synchronous code and for start-up: listening, connecting, accepting.
//
// Security: every socket is close-on-exec.
// Known limits: connecting waits without a timeout; callers that talk to the network use the event loop instead.

import CSystemKit
import Glibc

/// System calls on sockets.
public enum Sockets {
    public enum Kind: Sendable {
        case stream, datagram, seqpacket

        var rawValue: Int32 {
            switch self {
            case .stream: Int32(SOCK_STREAM.rawValue)
            case .datagram: Int32(SOCK_DGRAM.rawValue)
            case .seqpacket: Int32(SOCK_SEQPACKET.rawValue)
            }
        }
    }

    private static func make(_ family: Int32, _ kind: Kind, _ object: String) throws(SystemError) -> FileDescriptor {
        let type = kind.rawValue | Int32(SOCK_CLOEXEC.rawValue)
        return FileDescriptor(owning: Int32(try checked(systemCall { Int(socket(family, type, 0)) }, "socket", object)))
    }

    private static func setOption(_ fd: Int32, _ level: Int32, _ option: Int32, _ value: Int32) throws(SystemError) {
        var value = value
        let size = socklen_t(MemoryLayout<Int32>.size)
        try checked(systemCall { Int(setsockopt(fd, level, option, &value, size)) }, "setsockopt", "descriptor \(fd)")
    }

    /// SO_SNDBUF: how much the kernel may hold that the other end has not taken.
    public static func setSendBuffer(of socket: Int32, bytes: Int) throws(SystemError) {
        try setOption(socket, SOL_SOCKET, SO_SNDBUF, Int32(clamping: bytes))
    }

    // MARK: Listening

    /// A listening Unix stream socket. A socket left behind at the same path is replaced; anything else there is an error.
    public static func listenUnix(path: String, mode: UInt32 = 0o666, backlog: Int = 128) throws(SystemError) -> FileDescriptor {
        let address = try SocketAddress.unix(path)
        let old: FileStatus?
        do { old = try Files.linkStatus(of: path) } catch { if error.isNotFound { old = nil } else { throw error } }
        if let old {
            guard old.isSocket else { throw SystemError(errno: EEXIST, operation: "bind", object: path) }
            try Files.unlink(path)
        }
        let descriptor = try make(AF_UNIX, .stream, path)
        try checked(systemCall { address.withPointer { Int(bind(descriptor.rawValue, $0, $1)) } }, "bind", path)
        // chmod after bind: between the two the umask protects the socket, and nobody can connect before listen.
        try Files.changeMode(path, mode)
        try checked(systemCall { Int(listen(descriptor.rawValue, Int32(clamping: backlog))) }, "listen", path)
        return descriptor
    }

    /// A Unix datagram socket bound to a new path, for messages from anybody who may write to it.
    public static func receiveDatagrams(path: String) throws(SystemError) -> FileDescriptor {
        let address = try SocketAddress.unix(path)
        let descriptor = try make(AF_UNIX, .datagram, path)
        try checked(systemCall { address.withPointer { Int(bind(descriptor.rawValue, $0, $1)) } }, "bind", path)
        return descriptor
    }

    /// A listening TCP socket on one address; port 0 lets the kernel choose. IPv6 sockets take IPv6 only.
    public static func listenTCP(_ address: SocketAddress, backlog: Int = 128) throws(SystemError) -> FileDescriptor {
        let descriptor = try make(address.family, .stream, address.description)
        try setOption(descriptor.rawValue, SOL_SOCKET, SO_REUSEADDR, 1)
        if address.isIPv6 { try setOption(descriptor.rawValue, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
        try checked(systemCall { address.withPointer { Int(bind(descriptor.rawValue, $0, $1)) } }, "bind", address.description)
        try checked(systemCall { Int(listen(descriptor.rawValue, Int32(clamping: backlog))) }, "listen", address.description)
        return descriptor
    }

    /// A listening TCP socket on the first address of a host (numeric or name; empty: the first wildcard of the system). Use
    /// `SocketAddress.resolve` with the other form to listen on all of them.
    public static func listenTCP(host: String, port: Int, backlog: Int = 128) throws(SystemError) -> FileDescriptor {
        guard let address = try SocketAddress.resolve(host: host, port: String(port)).first else {
            throw SystemError(errno: EADDRNOTAVAIL, operation: "listen", object: "\(host):\(port)")
        }
        return try listenTCP(address, backlog: backlog)
    }

    /// Takes one connection; nil when a non-blocking listener has none, or when the client went away before it was taken.
    public static func accept(_ listener: Int32) throws(SystemError) -> FileDescriptor? {
        let result = shimCall { Int(csk_accept(listener)) }
        if result == -Int(EAGAIN) || result == -Int(ECONNABORTED) { return nil }
        return FileDescriptor(owning: Int32(try checked(result, "accept", "descriptor \(listener)")))
    }

    /// Takes one connection of the network with its peer's address; it does not block. nil as in ``accept(_:)``.
    public static func acceptFromNetwork(_ listener: Int32) throws(SystemError) -> (descriptor: Int32, peer: SocketAddress)? {
        let filled = SocketAddress.filled { address, length in shimCall { Int(csk_accept_from(listener, address, length)) } }
        if filled.result == -Int(EAGAIN) || filled.result == -Int(ECONNABORTED) { return nil }
        return (Int32(try checked(filled.result, "accept", "descriptor \(listener)")), filled.address)
    }

    /// Sends segments of a TCP socket as soon as they are written. Connections have it from their listener.
    public static func sendsAtOnce(_ fd: Int32) throws(SystemError) { try setOption(fd, Int32(IPPROTO_TCP), TCP_NODELAY, 1) }

    // MARK: Connecting

    /// Connects to a Unix socket. A non-blocking one gives EAGAIN where the listener's queue is full, instead of waiting for room.
    public static func connectUnix(path: String, kind: Kind = .stream, isNonBlocking: Bool = false) throws(SystemError) -> FileDescriptor {
        try connect(try SocketAddress.unix(path), kind: kind, isNonBlocking: isNonBlocking)
    }

    public static func connectTCP(host: String, port: Int) throws(SystemError) -> FileDescriptor {
        var last = SystemError(errno: EADDRNOTAVAIL, operation: "connect", object: "\(host):\(port)")
        for address in try SocketAddress.resolve(host: host, port: String(port)) {
            do { return try connect(address) } catch { last = error }
        }
        throw last
    }

    public static func connect(
        _ address: SocketAddress, kind: Kind = .stream, isNonBlocking: Bool = false
    ) throws(SystemError) -> FileDescriptor {
        let descriptor = try make(address.family, kind, address.description)
        if isNonBlocking { try descriptor.setNonBlocking(true) }
        var result = address.withPointer { pointer, length in rawConnect(descriptor.rawValue, pointer, length) }
        // connect(2) that was interrupted goes on by itself: calling it again answers EALREADY, so wait for the outcome.
        if result == -Int(EINTR) { result = try outcomeOfConnect(descriptor.rawValue) }
        try checked(result, "connect", address.description)
        return descriptor
    }

    @inline(never)
    private static func rawConnect(_ fd: Int32, _ address: UnsafePointer<sockaddr>?, _ length: socklen_t) -> Int {
        Glibc.connect(fd, address, length) == 0 ? 0 : -Int(errno)
    }

    private static func outcomeOfConnect(_ fd: Int32) throws(SystemError) -> Int {
        _ = try Polling.wait([Polling.Interest(fd, .write)], milliseconds: nil)
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        try checked(systemCall { Int(getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size)) }, "getsockopt", "descriptor \(fd)")
        return -Int(code)
    }

    /// Two connected Unix sockets.
    public static func socketPair(type: Kind = .stream) throws(SystemError) -> SocketPair {
        var ends: (Int32, Int32) = (-1, -1)
        let kind = type.rawValue | Int32(SOCK_CLOEXEC.rawValue)
        let result = withUnsafeMutableBytes(of: &ends) { raw in
            systemCall { Int(socketpair(AF_UNIX, kind, 0, raw.assumingMemoryBound(to: Int32.self).baseAddress)) }
        }
        try checked(result, "socketpair", "")
        return SocketPair(FileDescriptor(owning: ends.0), FileDescriptor(owning: ends.1))
    }

    /// Ends a socket for every process that holds it: a listener stops to listen, a connection stops to read and write.
    public static func shutDown(_ fd: Int32) throws(SystemError) {
        try checked(systemCall { Int(shutdown(fd, Int32(SHUT_RDWR))) }, "shutdown", "descriptor \(fd)")
    }

    // MARK: Facts

    /// Whether an IPv6 socket takes IPv4 as well.
    public static func isDualStack(_ fd: Int32) -> Bool {
        var isOnlyIPv6: Int32 = 1
        var size = socklen_t(MemoryLayout<Int32>.size)
        return systemCall { Int(getsockopt(fd, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &isOnlyIPv6, &size)) } == 0 && isOnlyIPv6 == 0
    }

    /// Whether a descriptor is a listening stream socket.
    public static func isListeningStream(_ fd: Int32) -> Bool { csk_is_listening_stream(fd) == 1 }

    /// Who is at the other end of a Unix socket, as the kernel noted at connect time.
    public static func peerCredentials(of fd: Int32) throws(SystemError) -> (pid: Int32, uid: UInt32, gid: UInt32) {
        var pid: Int32 = 0
        var uid: UInt32 = 0
        var gid: UInt32 = 0
        try checked(shimCall { Int(csk_peer_credentials(fd, &pid, &uid, &gid)) }, "peer credentials", "descriptor \(fd)")
        return (pid, uid, gid)
    }

    public static func localAddress(of fd: Int32) throws(SystemError) -> SocketAddress {
        let filled = SocketAddress.filled { address, length in systemCall { Int(getsockname(fd, address, length)) } }
        try checked(filled.result, "getsockname", "descriptor \(fd)")
        return filled.address
    }

    public static func peerAddress(of fd: Int32) throws(SystemError) -> SocketAddress {
        let filled = SocketAddress.filled { address, length in systemCall { Int(getpeername(fd, address, length)) } }
        try checked(filled.result, "getpeername", "descriptor \(fd)")
        return filled.address
    }
}

/// Two connected sockets.
public struct SocketPair: ~Copyable, Sendable {
    public let first: FileDescriptor
    public let second: FileDescriptor

    init(_ first: consuming FileDescriptor, _ second: consuming FileDescriptor) {
        self.first = first
        self.second = second
    }

    /// Gives both ends up without closing them.
    public consuming func release() -> (first: Int32, second: Int32) { (first.release(), second.release()) }
}

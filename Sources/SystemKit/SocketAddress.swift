// Socket addresses: made from paths, numeric addresses or host names, and turned back into text.
//
// Known limits: `resolve` asks the system's resolver and may wait for the network when given a name; only start-up code does that.

import Glibc

/// An address of a socket: IPv4, IPv6 or Unix domain.
public struct SocketAddress: Hashable, Sendable, CustomStringConvertible {
    /// The sockaddr as the kernel takes it.
    let bytes: [UInt8]

    init(bytes: [UInt8]) { self.bytes = bytes }

    /// The address family in host byte order, 0 when there is no address.
    var family: Int32 {
        bytes.count < 2 ? AF_UNSPEC : Int32(bytes.withUnsafeBytes { $0.loadUnaligned(as: sa_family_t.self) })
    }

    public var isIPv4: Bool { family == AF_INET }
    public var isIPv6: Bool { family == AF_INET6 }

    /// A Unix domain path; a leading `@` means the abstract name space, as in NOTIFY_SOCKET.
    public static func unix(_ path: String) throws(SystemError) -> SocketAddress {
        var name = Array(path.utf8)
        // sun_path has 108 bytes, with the final NUL.
        guard !name.isEmpty, name.count < 108, !name.contains(0) else {
            throw SystemError(errno: ENAMETOOLONG, operation: "socket path", object: path)
        }
        let isAbstract = name[0] == UInt8(ascii: "@")
        if isAbstract { name[0] = 0 } else { name.append(0) }
        let family = withUnsafeBytes(of: sa_family_t(AF_UNIX)) { Array($0) }
        return SocketAddress(bytes: family + name)
    }

    /// The addresses of a host (empty: the wildcard of each family; numeric, or a name) and a port (numeric, or a service name).
    public static func resolve(host: String, port: String) throws(SystemError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host.isEmpty ? nil : host, port, &hints, &list)
        guard code == 0 else {
            let system = code == EAI_SYSTEM ? errno : (code == EAI_AGAIN ? EAGAIN : EADDRNOTAVAIL)
            throw SystemError(errno: system, operation: "resolve", object: "\(host):\(port) (\(String(cString: gai_strerror(code))))")
        }
        defer { freeaddrinfo(list) }
        var result: [SocketAddress] = []
        var next = list
        while let entry = next {
            if let address = entry.pointee.ai_addr {
                let bytes = Array(UnsafeRawBufferPointer(start: address, count: Int(entry.pointee.ai_addrlen)))
                let one = SocketAddress(bytes: bytes)
                if !result.contains(one) { result.append(one) }
            }
            next = entry.pointee.ai_next
        }
        return result
    }

    /// The numeric host: `192.0.2.1`, `2001:db8::1`; the path of a Unix socket; empty when unnamed.
    public var host: String {
        if isIPv4, bytes.count >= 8 { return "\(bytes[4]).\(bytes[5]).\(bytes[6]).\(bytes[7])" }
        return isIPv6 ? numeric.host : path
    }

    /// The port, or 0 for a Unix socket.
    public var port: Int { (isIPv4 || isIPv6) && bytes.count >= 4 ? Int(bytes[2]) << 8 | Int(bytes[3]) : 0 }

    /// `192.0.2.1:25`, `[2001:db8::1]:25`, or the path.
    public var description: String { isIPv6 ? "[\(host)]:\(port)" : isIPv4 ? "\(host):\(port)" : path }

    private var path: String {
        guard family == AF_UNIX, bytes.count > 2 else { return "" }
        if bytes[2] == 0 { return "@" + String(decoding: bytes[3...], as: UTF8.self) }
        return String(decoding: bytes[2...].prefix { $0 != 0 }, as: UTF8.self)
    }

    private var numeric: (host: String, error: Int32) {
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let capacity = socklen_t(text.count)
        let code = withPointer { address, length in
            getnameinfo(address, length, &text, capacity, nil, 0, NI_NUMERICHOST)
        }
        let end = text.firstIndex(of: 0) ?? text.endIndex
        return (String(decoding: text[..<end].map { UInt8(bitPattern: $0) }, as: UTF8.self), code)
    }

    /// The address for a system call. An array's storage is aligned for any sockaddr.
    func withPointer<R>(_ body: (UnsafePointer<sockaddr>?, socklen_t) -> R) -> R {
        bytes.withUnsafeBytes { body($0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count)) }
    }

    /// Reads an address that a system call fills in: accept, getsockname, getpeername.
    static func filled(
        by call: (UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<socklen_t>) -> Int
    ) -> (result: Int, address: SocketAddress) {
        var storage = [UInt8](repeating: 0, count: MemoryLayout<sockaddr_storage>.size)
        var length = socklen_t(storage.count)
        let result = storage.withUnsafeMutableBytes { raw in
            call(raw.baseAddress?.assumingMemoryBound(to: sockaddr.self), &length)
        }
        return (result, SocketAddress(bytes: Array(storage.prefix(result < 0 ? 0 : Int(length)))))
    }
}

// The addresses of this system's network interfaces.

import Glibc

public enum InterfaceAddresses {
    /// The addresses of all interfaces as text; empty where the system does not tell.
    public static func all() -> [String] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0, let first else { return [] }
        defer { freeifaddrs(first) }
        var out: [String] = []
        var next: UnsafeMutablePointer<ifaddrs>? = first
        while let current = next {
            next = current.pointee.ifa_next
            guard let address = current.pointee.ifa_addr else { continue }
            var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
            let isText: Bool
            switch Int32(address.pointee.sa_family) {
            case AF_INET:
                isText = address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    inet_ntop(AF_INET, &$0.pointee.sin_addr, &buffer, socklen_t(INET6_ADDRSTRLEN)) != nil
                }
            case AF_INET6:
                isText = address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                    inet_ntop(AF_INET6, &$0.pointee.sin6_addr, &buffer, socklen_t(INET6_ADDRSTRLEN)) != nil
                }
            default: isText = false
            }
            if isText { out.append(String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)) }
        }
        return out
    }
}

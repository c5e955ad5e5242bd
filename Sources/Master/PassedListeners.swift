// Listening sockets that the service manager passes (sd_listen_fds(3)): they stay open while the mail system restarts, and nobody is refused.
//
// The protocol is two variables, which is no reason for a library in a root process. Security: the descriptors come from whoever starts
// master, as root; what is no listening TCP socket, or wanted by no service, is closed and named in the log.
// Known limits: sockets of type inet only. Units should set BindIPv6Only=ipv6-only and list both families; a socket of both families stands for
// the wildcards of both.

import SystemKit

/// The sockets that were passed to this process.
enum PassedListeners {
    static let first: Int32 = 3
    private static let limit = 1000

    /// Takes them, once: the variables are for this process only.
    static func take() -> (sockets: [PassedSocket], problems: [String]) {
        let count = count(
            pid: ProcessSpawn.environmentVariable("LISTEN_PID"), descriptors: ProcessSpawn.environmentVariable("LISTEN_FDS"),
            currentProcessID: ProcessSpawn.currentProcessID)
        let names = ProcessSpawn.environmentVariable("LISTEN_FDNAMES")?.split(separator: ":", omittingEmptySubsequences: false).map(
            String.init)
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { ProcessSpawn.setEnvironmentVariable(name, nil) }
        var sockets: [PassedSocket] = []
        var problems: [String] = []
        for index in 0..<count {
            let descriptor = FileDescriptor(owning: first + Int32(index))
            let label = names.flatMap { $0.count > index ? $0[index] : nil } ?? "descriptor \(first + Int32(index))"
            do throws(SystemError) {
                sockets.append(try PassedSocket(descriptor, label: label))
            } catch {
                problems.append("socket activation: \(label) is no listening TCP socket: \(error)")
            }
        }
        return (sockets, problems)
    }

    /// How many descriptors are meant for this process.
    static func count(pid: String?, descriptors: String?, currentProcessID: Int32) -> Int {
        guard let pid = pid.flatMap({ Int32($0) }), pid == currentProcessID, let count = descriptors.flatMap({ Int($0) }) else { return 0 }
        return min(max(0, count), limit)
    }
}

/// One socket that was passed.
final class PassedSocket {
    let descriptor: FileDescriptor
    let address: SocketAddress
    /// Its unit's name for it.
    let label: String
    /// Whether an IPv6 wildcard also takes IPv4.
    let isDualStack: Bool

    init(_ descriptor: consuming FileDescriptor, label: String) throws(SystemError) {
        guard Sockets.isListeningStream(descriptor.rawValue) else {
            throw SystemError(errno: 22, operation: "listen", object: label)
        }
        let address = try Sockets.localAddress(of: descriptor.rawValue)
        guard address.isIPv4 || address.isIPv6 else { throw SystemError(errno: 97, operation: "listen", object: label) }
        try RawDescriptor.setCloseOnExec(true, of: descriptor.rawValue)
        self.address = address
        self.label = label
        isDualStack = address.isIPv6 && address.host == "::" && Sockets.isDualStack(descriptor.rawValue)
        self.descriptor = descriptor
    }

    /// Whether it is what a service would bind.
    func serves(_ wanted: SocketAddress) -> Bool {
        if address.host == wanted.host && address.port == wanted.port && address.isIPv6 == wanted.isIPv6 { return true }
        return isDualStack && wanted.isIPv4 && wanted.host == "0.0.0.0" && wanted.port == address.port
    }
}

// The protocol of sd_notify(3): one datagram of NAME=value lines to the socket in NOTIFY_SOCKET.
//
// It is spoken here rather than through libsystemd: the protocol is a stable interface of a few lines, and the one program that
// runs as root for ever should map as little foreign code as it can.

import SystemKit

/// Tells the service manager what master is doing; silent where there is none.
struct ServiceManagerNotifier: Sendable {
    private let socket: String?
    /// How often the service manager wants a sign of life, in microseconds; nil for never.
    let watchdogInterval: Int64?

    init(socket: String?, watchdogMicroseconds: Int64? = nil) {
        self.socket = socket
        // Half of what is demanded, as sd_watchdog_enabled(3) advises.
        watchdogInterval = socket == nil ? nil : watchdogMicroseconds.flatMap { $0 > 0 ? $0 / 2 : nil }
    }

    /// From the environment of this process.
    static func fromEnvironment() -> ServiceManagerNotifier {
        let microseconds = ProcessSpawn.environmentVariable("WATCHDOG_USEC").flatMap { Int64($0) }
        let pid = ProcessSpawn.environmentVariable("WATCHDOG_PID").flatMap { Int32($0) }
        let isMeant = pid == nil || pid == ProcessSpawn.currentProcessID
        return ServiceManagerNotifier(
            socket: ProcessSpawn.environmentVariable("NOTIFY_SOCKET"), watchdogMicroseconds: isMeant ? microseconds : nil)
    }

    func ready(status: String) { send("READY=1\nMAINPID=\(ProcessSpawn.currentProcessID)\nSTATUS=\(status)") }
    /// Why it cannot start, as one line.
    func failed(_ reason: String) { send("STATUS=\(String(reason.map { $0.isNewline ? " " : $0 }))") }
    func waiting(_ status: String) { send("STATUS=\(status)") }
    func reloading(monotonic: Int64) { send("RELOADING=1\nMONOTONIC_USEC=\(monotonic)") }
    func stopping() { send("STOPPING=1") }
    func isAlive() { send("WATCHDOG=1") }

    private func send(_ text: String) {
        guard let socket, let connection = try? Sockets.connectUnix(path: socket, kind: .datagram) else { return }
        // A service manager that does not listen is no reason to stop.
        _ = try? Sockets.send(Array(text.utf8), over: connection.rawValue)
    }
}

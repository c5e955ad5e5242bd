import NIOPosix
import SystemKit
import Testing

@testable import ServiceKit

@Suite struct SystemCallFilterTests {
    @Test func noCallIsBothAllowedAndDeadly() {
        let deadly = Set(SystemCallFilter.deadly)
        #expect(deadly.isDisjoint(with: SystemCallFilter.always) && deadly.isDisjoint(with: SystemCallFilter.fileReading))
        #expect(Set(SystemCallFilter.always).isDisjoint(with: SystemCallFilter.fileReading))
        // What would undo the jail.
        for name in [
            "openat", "open", "socket", "connect", "bind", "clone", "clone3", "mmap", "prctl", "kill", "tgkill", "prlimit64", "ioctl",
        ] {
            #expect(!SystemCallFilter.always.contains(name), "\(name) without a condition")
        }
    }

    /// What is possible under a filter: 0, or the errno.
    private struct Findings: Equatable {
        var file: Int32 = 0
        var unixSocket: Int32 = 0
        var internetSocket: Int32 = 0
        var pair: Int32 = 0
        var signal: Int32 = 0
        var directory: Int32 = 0
    }

    /// A filter holds for the thread that installs it; this one ends with the test.
    private func findings(_ filter: SystemCallFilter) async throws -> (reason: String?, findings: Findings) {
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        let result = try await pool.runIfActive {
            func outcome(_ call: () throws(SystemError) -> Void) -> Int32 {
                do throws(SystemError) { try call() } catch { return error.errno }
                return 0
            }
            let reason = filter.install()
            let findings = Findings(
                file: outcome { () throws(SystemError) in _ = try Files.contents(of: "/etc/passwd") },
                unixSocket: outcome { () throws(SystemError) in _ = try Sockets.connectUnix(path: "/nonexistent/socket") },
                // Port 0 cannot be connected to: refused by the kernel, once there is a socket.
                internetSocket: outcome { () throws(SystemError) in _ = try Sockets.connectTCP(host: "127.0.0.1", port: 0) },
                pair: outcome { () throws(SystemError) in _ = try Sockets.socketPair() },
                signal: outcome { () throws(SystemError) in try ProcessSpawn.kill(ProcessSpawn.parentProcessID, .child) },
                directory: outcome { () throws(SystemError) in try Files.makeDirectory("/tmp/must-not-be") })
            return (reason, findings)
        }
        try await pool.shutdownGracefully()
        return result
    }

    @Test func aJailedServerOpensNothingAndConnectsToNobody() async throws {
        let (reason, found) = try await findings(SystemCallFilter(network: .accepts, isJailed: true))
        // A sandbox around the tests may forbid filters.
        guard reason == nil else { return }
        #expect(found == Findings(file: 1, unixSocket: 1, internetSocket: 1, pair: 0, signal: 1, directory: 1))
    }

    @Test func aJailedClientReachesTheInternetOnly() async throws {
        let (reason, found) = try await findings(SystemCallFilter(network: .connects, isJailed: true))
        guard reason == nil else { return }
        #expect(found == Findings(file: 1, unixSocket: 1, internetSocket: 111, pair: 0, signal: 1, directory: 1))
    }

    @Test func outsideOfAJailFilesAreReadAndSocketsOfThisHostReached() async throws {
        let (reason, found) = try await findings(SystemCallFilter(network: .accepts, isJailed: false))
        guard reason == nil else { return }
        #expect(found == Findings(file: 0, unixSocket: 2, internetSocket: 1, pair: 0, signal: 1, directory: 1))
    }
}

// `sendmail -bs`: one SMTP session on standard input and output, with no relay control, as Postfix's smtpd in stand-alone mode.
//
// The client is a local user who could submit the same mail with sendmail; the Received field names the user id.
// Security: no privileges are held or gained: cleanup's socket is reached with the caller's own rights, or not at all (451).

import MailConfiguration
import MailIPC
import MailLog
import MailModel
import NIOCore
import ServiceKit
import SystemKit
import TLS

enum StandaloneServer {
    static func main(_ arguments: [String]) -> Never {
        SignalWait.ignore(.pipe)
        let context = ServiceContext.start(program: "smtpd", arguments: arguments)
        let settings: ServerSettings
        do {
            settings = try ServerSettings(context.configuration, hasCertificate: true).standingAlone()
        } catch {
            context.log.fatal("\(error)")
            ProcessSpawn.exit(1)
        }
        ServiceActor.start {
            let queue = QueueConnection(context.address(of: .cleanup), patienceInSeconds: 300)
            let session = ServerSession(
                transport: StandardStreams(), queue: queue, clock: SystemSessionClock(), settings: SharedSettings(settings),
                log: context.log,
                client: ClientIdentity(name: "localhost", address: "127.0.0.1", port: 0), serverAddress: "",
                userID: Int64(Privileges.realUser))
            await session.run()
            ProcessSpawn.exit(0)
        }
        // The session ends the program; this thread only keeps it alive.
        while true {
            // An interrupted wait is no event.
            _ = try? Polling.wait([], milliseconds: nil)
        }
    }
}

/// Standard input and output as a session's connection.
///
/// Reading blocks the event loop on purpose: there is one client, and while it is waited for nothing else is under way.
@ServiceActor
private final class StandardStreams: SessionTransport {
    private var pending: [UInt8] = []

    init() {}

    func read(deadline: NIODeadline) async throws(ConnectionError) -> ByteBuffer? {
        do {
            let patience = max(0, (deadline - .now()).nanoseconds / 1_000_000)
            guard try !Polling.wait([Polling.Interest(0, .read)], milliseconds: Int(patience)).isEmpty else {
                throw ConnectionError.timedOut
            }
            let bytes = try FileDescriptor.borrowing(0) { input throws(SystemError) in try input.read(upTo: 65536) }
            return bytes.isEmpty ? nil : ByteBuffer(bytes: bytes)
        } catch let error as ConnectionError {
            throw error
        } catch {
            throw .closed("\(error)")
        }
    }

    func write(_ bytes: [UInt8]) { pending += bytes }

    func flush(deadline: NIODeadline) async throws(ConnectionError) {
        do throws(SystemError) {
            let bytes = pending
            pending = []
            try FileDescriptor.borrowing(1) { output throws(SystemError) in try output.writeAll(bytes) }
        } catch {
            throw .closed("\(error)")
        }
    }

    func startTLS(deadline: NIODeadline) async throws(ConnectionError) -> TLSSessionFacts {
        throw .handshakeFailed("not on standard input")
    }

    func close() {
        let bytes = pending
        pending = []
        // The last words of a session that is over.
        try? FileDescriptor.borrowing(1) { output throws(SystemError) in try output.writeAll(bytes) }
    }
}

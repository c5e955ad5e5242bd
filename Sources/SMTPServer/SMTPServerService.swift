// The daemon: takes connections, names clients, keeps the number of sessions within bounds.

import DNSClient
import LookupTables
import MailConfiguration
import MailIPC
import MailLog
import MailModel
import NIOCore
import SMTPProtocol
public import ServiceKit
import SystemKit
import TLS

/// The service `smtpd`.
@ServiceActor
public final class SMTPServerService: ServiceHandler {
    private let shared: SharedSettings
    private var settings: ServerSettings { _read { yield shared.settings } }
    private let tls: TLSServerContext?
    private let log: MailLog
    private let serviceName: String
    private let status: ServiceStatus
    private let queue: QueueConnection
    private let names: DNSLookup
    private let clock = SystemSessionClock()
    private var counter = ConnectionCounter()
    private let memory = MemoryRelief()
    private var waiters: [CheckedContinuation<Void, Never>] = []
    /// Sessions that this process serves before it lets another process take the next.
    private let capacity: Int

    /// How long a client waits for its name to be found, in seconds; then it is `unknown`.
    private static let nameLookupTime = 10

    init(context: ServiceContext, settings: ServerSettings, tls: TLSServerContext?, capacity: Int, status: ServiceStatus) {
        shared = SharedSettings(settings)
        self.tls = tls
        self.capacity = capacity
        self.status = status
        log = context.log
        serviceName = context.options.serviceName.isEmpty ? "smtp" : context.options.serviceName
        let configuration = context.configuration
        queue = QueueConnection(context.address(of: .cleanup), patienceInSeconds: configuration[Parameters.ipcTimeout])
        names = DNSLookup(
            ResolverConnection(context.address(of: .resolver), patienceInSeconds: SMTPServerService.nameLookupTime))
    }

    public func accept(_ connection: AcceptedConnection) {
        // A peer without an address gets an unlikely one, which no list trusts.
        let address = connection.peer.map(ClientIdentity.address) ?? "0.0.0.0"
        let port = UInt16(clamping: connection.peer?.port ?? 0)
        let count = counter.enter(address)
        memory.note(counter.total)
        if counter.total >= capacity { status.setAvailable(false) }
        ServiceActor.start { [self] in
            await serve(connection.descriptor, address: address, port: port, count: count)
            counter.leave(address)
            memory.note(counter.total)
            if counter.total < capacity { status.setAvailable(true) }
            if counter.total == 0 {
                let waiting = waiters
                waiters = []
                for waiter in waiting { waiter.resume() }
            }
        }
    }

    public func drain() async {
        while counter.total > 0 {
            await withCheckedContinuation { continuation in
                guard counter.total > 0 else { return continuation.resume() }
                waiters.append(continuation)
            }
        }
    }

    private func serve(_ descriptor: Int32, address: String, port: UInt16, count: Int) async {
        let stream: StreamConnection
        do throws(ConnectionError) {
            stream = try await StreamConnection.adopt(descriptor: descriptor)
        } catch {
            log.warning("cannot serve \(address): \(error)")
            return
        }
        stream.saveMemory()
        let client = ClientIdentity(name: await name(of: address), address: address, port: port)
        let session = ServerSession(
            transport: NetworkTransport(stream, tls: tls), queue: queue, clock: clock, settings: shared, log: log, client: client,
            serverAddress: { stream.localAddress.map(ClientIdentity.canonical) ?? "" })
        await session.run(refusal: refusal(client, count))
    }

    /// A reply in place of the greeting where the client has too many connections.
    private func refusal(_ client: ClientIdentity, _ count: Int) -> SMTPReply? {
        guard settings.connectionLimit > 0, count > settings.connectionLimit else { return nil }
        let isExempt = (try? settings.connectionLimitExceptions.matches(address: client.address, name: client.verifiedName)) ?? false
        guard !isExempt else { return nil }
        log.warning("Connection concurrency limit exceeded: \(count) from \(client.logText) for service \(serviceName)")
        return SMTPReply(
            421, EnhancedStatusCode(4, 7, 0), "\(settings.policy.hostName) Error: too many connections from \(client.address)")
    }

    private func name(of address: String) async -> String {
        guard settings.looksUpNames, let parsed = IPAddress(address) else { return "unknown" }
        let found = await names.clientName(of: parsed)
        switch found {
        case .unverified(let name): log.warning("hostname \(name.text) does not resolve to address \(address)")
        case .temporaryFailure(let name?): log.warning("hostname \(name.text) does not resolve to address \(address): try again later")
        case .verified, .none, .temporaryFailure(nil): break
        }
        return found.displayName
    }
}

/// The program.
public enum SMTPServerProgram {
    /// What is opened before the jail.
    private struct Prepared: Sendable {
        let settings: ServerSettings
        let tls: TLSServerContext?
        let capacity: Int
    }

    public static func main() -> Never {
        let arguments = Array(CommandLine.arguments.dropFirst())
        Daemon.run("smtpd", listening: .network, identity: .networkOwner, arguments: arguments) { context in
            let tls = try certificate(context)
            let settings = try ServerSettings(context.configuration, hasCertificate: tls != nil)
            for word in settings.unknownRestrictions { context.log.warning("unknown smtpd restriction: \"\(word)\"") }
            // Some descriptors are needed for the connections between programs, files and listeners.
            return Prepared(
                settings: settings, tls: tls, capacity: max(16, ((try? ResourceLimits.raiseOpenFiles(maximum: 65_536)) ?? 1024) - 64))
        } start: { context, prepared, status in
            SMTPServerService(
                context: context, settings: prepared.settings, tls: prepared.tls, capacity: prepared.capacity, status: status)
        }
    }

    /// The server's certificate; nil where none is configured or wanted.
    private static func certificate(_ context: ServiceContext) throws(TLSError) -> TLSServerContext? {
        let configuration = context.configuration
        let level = configuration[Parameters.smtpdTLSSecurityLevel]
        let isWrapperMode = configuration[Parameters.smtpdTLSWrappermode]
        guard level == "may" || level == "encrypt" || isWrapperMode else { return nil }
        let versions = try TLSVersions(
            configuration[
                level == "encrypt" || isWrapperMode ? Parameters.smtpdTLSMandatoryProtocols : Parameters.smtpdTLSProtocols])
        let chain = configuration[Parameters.smtpdTLSChainFiles]
        if !chain.isEmpty { return try TLSServerContext(TLSIdentity(chainFiles: chain), versions: versions) }
        let certificate = configuration[Parameters.smtpdTLSCertFile]
        guard !certificate.isEmpty, certificate != "none" else { return nil }
        let key = configuration[Parameters.smtpdTLSKeyFile]
        return try TLSServerContext(
            TLSIdentity(certificateFile: certificate, keyFile: key.isEmpty ? certificate : key), versions: versions)
    }
}

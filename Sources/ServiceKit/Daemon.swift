// The skeleton of every daemon with an event loop (DESIGN.md, section 5): options, configuration, pre-jail, chroot, privileges dropped and
// proven gone, post-jail, serve, drain.
//
// The main thread waits for signals and accepts connections of other programs; everything else happens on ServiceActor. No Swift concurrency and no thread
// exist before the privileges are gone.
// A program in a jail opens no file any more: FileWatch tells it when one that it has read changes, and it ends so that master starts another.

import MailConfiguration
import MailIPC
import MailLog
import SystemKit

/// A connection of another program that was accepted. Its descriptors belong to the handler.
public struct AcceptedConnection: Sendable {
    public let descriptor: Int32
    /// For passing descriptors; -1 without one.
    public let sideChannel: Int32
}

/// The part of a daemon that differs from the others.
@ServiceActor
public protocol ServiceHandler: AnyObject, Sendable {
    /// Takes a connection of another program. Must not wait for the connection's end.
    func accept(_ connection: AcceptedConnection)
    /// Takes a connection of the network.
    func accept(_ stream: StreamConnection)
    /// Somebody (master's timer, `postdrop`) asks it to look for work.
    func wakeUp()
    /// No more connections come: finishes what is under way and returns.
    func drain() async
}

extension ServiceHandler {
    public func wakeUp() {}
    public func accept(_ stream: StreamConnection) { stream.abort() }
    public func accept(_ connection: AcceptedConnection) {
        _ = FileDescriptor(owning: connection.descriptor)
        if connection.sideChannel >= 0 { _ = FileDescriptor(owning: connection.sideChannel) }
    }
}

/// Runs daemons.
public enum Daemon {
    public enum Listening: Sendable {
        /// Clients of the Internet: connections are handed over as they are.
        case network
        /// Programs of ours: the preamble of MailIPC is read first.
        case programs
    }

    /// Whose rights a daemon keeps where master.cf says that it gives up root's.
    public enum Identity: Sendable {
        /// `mail_owner`, who owns the queue.
        case mailOwner
        /// `network_owner`, who owns nothing: for programs that talk to the Internet (DESIGN.md, section 1.4).
        case networkOwner
    }

    /// The whole life of a daemon.
    ///
    /// - Parameters:
    ///   - preJail: opens what needs names or rights: tables, keys, sockets.
    ///   - start: builds the handler on the event loop.
    public static func run<State: Sendable>(
        _ program: String, listening: Listening, identity: Identity = .mailOwner,
        arguments: [String] = Array(CommandLine.arguments.dropFirst()),
        preJail: (ServiceContext) throws -> State,
        start: @escaping @Sendable @ServiceActor (ServiceContext, State, ServiceStatus) async throws -> any ServiceHandler
    ) -> Never {
        SignalWait.ignore(.pipe)
        let handled: [Signal] = [.terminate, .interrupt, .hangUp]
        SignalWait.block(handled)
        let context = ServiceContext.start(program: program, arguments: arguments)
        let state: State
        do {
            let jail = try Jail(context, identity)
            jail.prepare()
            state = try preJail(context)
            context.endIfOnlyChecking()
            try jail.enter()
            if identity == .networkOwner { installFilter(context, listening) }
        } catch {
            context.log.fatal("\(error)")
            ProcessSpawn.exit(1)
        }
        do {
            let signals = try SignalWait.descriptor(for: handled)
            let wake = try FileDescriptor.pipe().release()
            let listeners = findListeners(context.options)
            let status = ServiceStatus(wakeDescriptor: wake.write)
            context.log.defersWrites { EndOfTurn.log($0) }
            ServiceActor.start {
                do {
                    let handler = try await start(context, state, status)
                    Handlers.current = handler
                    if listening == .network {
                        let network = NetworkListeners(log: context.log, status: status)
                        NetworkListeners.current = network
                        try await network.open(listeners)
                    }
                    try await FileNotices(log: context.log, status: status).listen()
                    status.setAvailable(true)
                } catch {
                    context.log.fatal("\(error)")
                    ProcessSpawn.exit(1)
                }
            }
            let acceptor = Acceptor(
                context: context, signals: signals.rawValue, wake: wake.read, status: status,
                listeners: listening == .programs ? listeners : [])
            acceptor.run()
        } catch {
            context.log.fatal("\(error)")
            ProcessSpawn.exit(1)
        }
    }

    /// The last thing that a program of the network gives up.
    private static func installFilter(_ context: ServiceContext, _ listening: Listening) {
        guard context.configuration[Parameters.networkSeccomp] else { return }
        let filter = SystemCallFilter(network: listening == .network ? .accepts : .connects, isJailed: FileWatch.ofProcess.isSealed)
        if let reason = filter.install() { context.log.warning("works without a filter of system calls: \(reason)") }
    }

    /// The sockets that master left open.
    public static func findListeners(_ options: ServiceOptions) -> [Int32] {
        var found: [Int32] = []
        var number = options.firstListener
        while true {
            // The first number that is not an open socket ends the list.
            let status = try? FileDescriptor.borrowing(number) { open throws(SystemError) in try open.status() }
            guard let status, status.isSocket else { return found }
            found.append(number)
            number += 1
        }
    }
}

/// The handler of this process, for the main thread's calls onto the loop.
@ServiceActor
enum Handlers {
    static var current: (any ServiceHandler)?
}

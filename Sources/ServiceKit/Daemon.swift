// The skeleton of every daemon with an event loop (DESIGN.md, section 5): options, configuration, pre-jail, chroot, privileges dropped and
// proven gone, post-jail, serve, drain.
//
// The main thread accepts connections and waits for signals; everything else happens on ServiceActor. No Swift concurrency and no thread
// exist before the privileges are gone.
// A program in a jail opens no file any more: FileWatch tells it when one that it has read changes, and it ends so that master starts another.

import MailConfiguration
public import MailIPC
import MailLog
public import SystemKit

/// A connection that was accepted. Its descriptors belong to the handler.
public struct AcceptedConnection: Sendable {
    public let descriptor: Int32
    /// What a program passed with its first byte.
    public let beside: IPCBeside
    /// nil for Unix-domain sockets.
    public let peer: SocketAddress?
}

/// The part of a daemon that differs from the others.
@ServiceActor
public protocol ServiceHandler: AnyObject, Sendable {
    /// Takes a connection. Must not wait for the connection's end.
    func accept(_ connection: AcceptedConnection)
    /// Somebody (master's timer, `postdrop`) asks it to look for work.
    func wakeUp()
    /// No more connections come: finishes what is under way and returns.
    func drain() async
}

extension ServiceHandler {
    public func wakeUp() {}
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
    ///   - keepsFreed: bytes of freed memory that it keeps while it works (``Allocator``).
    ///   - preJail: opens what needs names or rights: tables, keys, sockets.
    ///   - start: builds the handler on the event loop.
    public static func run<State: Sendable>(
        _ program: String, listening: Listening, identity: Identity = .mailOwner,
        arguments: [String] = Array(CommandLine.arguments.dropFirst()), keepsFreed: Int = 2 << 20,
        preJail: (ServiceContext) throws -> State,
        start: @escaping @Sendable @ServiceActor (ServiceContext, State, ServiceStatus) async throws -> any ServiceHandler
    ) -> Never {
        SignalWait.ignoreRefusedWrites()
        Allocator.keepFreed(keepsFreed)
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
            let status = ServiceStatus(wakeDescriptor: wake.write)
            context.log.defersWrites { EndOfTurn.log($0) }
            ServiceActor.start {
                do {
                    let handler = try await start(context, state, status)
                    Handlers.current = handler
                    status.setAvailable(true)
                } catch {
                    context.log.fatal("\(error)")
                    ProcessSpawn.exit(1)
                }
            }
            let acceptor = Acceptor(
                context: context, listening: listening, signals: signals.rawValue, wake: wake.read, status: status,
                listeners: findListeners(context.options))
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

// The main thread of a daemon: accepts connections, hears signals, and sees master go.
//
// Without descriptors left (EMFILE) it stops accepting for a second instead of spinning ("mistakes of others"). After SIGHUP or the end of
// master it accepts no more and lets sessions finish; after SIGTERM it waits for them a bounded time.

import MailConfiguration
import MailIPC
import MailLog
import SystemKit

struct Acceptor {
    let context: ServiceContext
    let listening: Daemon.Listening
    let signals: Int32
    let wake: Int32
    let status: ServiceStatus
    let listeners: [Int32]

    /// How long sessions may go on after SIGTERM, in milliseconds. `master` waits a little longer before it kills.
    private static let terminationPatience = 8_000

    func run() -> Never {
        for listener in listeners {
            // Several processes share a listener: who comes late to a connection must not block.
            try? FileDescriptor.borrowing(listener) { open throws(SystemError) in try open.setNonBlocking(true) }
        }
        var pause: Int?
        while true {
            var interests = [Polling.Interest(signals, .read), Polling.Interest(wake, .read)]
            if !context.options.isStandAlone { interests.append(Polling.Interest(ServiceOptions.lifetimeDescriptor, .read)) }
            let firstListener = interests.count
            if status.isAvailable && pause == nil {
                interests += listeners.map { Polling.Interest($0, .read) }
            }
            let ready: [Int]
            do {
                ready = try Polling.wait(interests, milliseconds: pause)
            } catch {
                context.log.fatal("\(error)")
                ProcessSpawn.exit(1)
            }
            pause = nil
            for index in ready {
                switch index {
                case 0: handleSignal()
                case 1: drainWakePipe()
                case 2 where firstListener == 3: drain(patience: nil)
                default:
                    if !acceptAll(listeners[index - firstListener]) { pause = 1000 }
                }
            }
        }
    }

    /// Accepts what waits at a listener; false when the system has no descriptors left.
    private func acceptAll(_ listener: Int32) -> Bool {
        for _ in 0..<64 {
            do {
                guard let accepted = try Sockets.accept(listener) else { return true }
                hand(over: accepted.release())
                if !status.isAvailable { return true }
            } catch {
                context.log.warning("accept connection: \(error.reason)")
                return false
            }
        }
        return true
    }

    private func hand(over raw: Int32) {
        switch listening {
        case .programs:
            guard let side = IPCPreambleReader.read(from: raw, patience: 1000) else {
                _ = FileDescriptor(owning: raw)
                ServiceActor.start { Handlers.current?.wakeUp() }
                return
            }
            ServiceActor.start {
                Handlers.current?.accept(AcceptedConnection(descriptor: raw, sideChannel: side, peer: nil))
            }
        case .network:
            // A peer that is gone already has no address; it is treated as unknown.
            let peer = try? Sockets.peerAddress(of: raw)
            ServiceActor.start {
                Handlers.current?.accept(AcceptedConnection(descriptor: raw, sideChannel: -1, peer: peer))
            }
        }
    }

    private func handleSignal() {
        guard let signal = nextSignal() else { return }
        drain(patience: signal == .hangUp ? nil : Acceptor.terminationPatience)
    }

    private func nextSignal() -> Signal? {
        // Unreadable means none.
        (try? FileDescriptor.borrowing(signals) { open throws(SystemError) in try SignalWait.next(from: open) }) ?? nil
    }

    private func drainWakePipe() {
        // Only the waking matters.
        _ = try? FileDescriptor.borrowing(wake) { pipe throws(SystemError) in try pipe.read(upTo: 64) }
    }

    /// Finishes and ends the program. SIGTERM during a patient drain makes it impatient.
    private func drain(patience: Int?) -> Never {
        ServiceActor.start {
            await Handlers.current?.drain()
            ProcessSpawn.exit(0)
        }
        var remaining = patience
        while true {
            let ready: [Int]
            do {
                ready = try Polling.wait([Polling.Interest(signals, .read)], milliseconds: remaining)
            } catch {
                ProcessSpawn.exit(1)
            }
            if ready.isEmpty { ProcessSpawn.exit(0) }
            if let signal = nextSignal(), signal != .hangUp { remaining = remaining ?? Acceptor.terminationPatience }
        }
    }
}

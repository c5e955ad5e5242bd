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
    /// Microseconds between two looks at the files of a jailed program.
    private static let lookInterval: Int64 = 10_000_000

    func run() -> Never {
        for listener in listeners {
            // Several processes share a listener: who comes late to a connection must not block.
            try? FileDescriptor.borrowing(listener) { open throws(SystemError) in try open.setNonBlocking(true) }
            // Inherited by what is accepted: a call for the listener, not one for each connection.
            if listening == .network { try? Sockets.sendsAtOnce(listener) }
        }
        /// Until when nothing is accepted, for want of descriptors.
        var pausedUntil: Int64?
        let room = PreambleRoom()
        // Whose connections last for ever finds a change without a new one.
        var nextLook = listening == .programs && !FileWatch.ofProcess.isEmpty ? SystemClock.monotonic() + Acceptor.lookInterval : nil
        let dog = LoopWatchdog(
            seconds: context.configuration[Parameters.daemonTimeout], interval: context.options.livenessInterval,
            now: SystemClock.monotonic())
        while true {
            let now = SystemClock.monotonic()
            room.expire(now: now)
            watch(dog, now: now)
            if let look = nextLook, look <= now {
                if hasStaleFiles() { drain(patience: nil, room) }
                nextLook = now + Acceptor.lookInterval
            }
            if let until = pausedUntil, until <= now { pausedUntil = nil }
            var interests = [signals, wake, ServiceOptions.lifetimeDescriptor].map { Polling.Interest($0, .read) }
            let firstSilent = interests.count
            interests += room.descriptors.map { Polling.Interest($0, .read) }
            let firstListener = interests.count
            if status.isAvailable && pausedUntil == nil {
                interests += listeners.map { Polling.Interest($0, .read) }
            }
            let ready: [Int]
            do {
                let deadline = [pausedUntil, room.nextDeadline, dog.deadline, nextLook].compactMap { $0 }.min()
                ready = try Polling.wait(interests, milliseconds: deadline.map { Int((max(0, $0 - now) + 999) / 1000) })
            } catch {
                context.log.fatal("\(error)")
                ProcessSpawn.exit(1)
            }
            // What was accepted is heard before anything ends.
            for index in ready where (firstSilent..<firstListener).contains(index) { take(room.leave(interests[index].descriptor)) }
            for index in ready {
                switch index {
                case 0: handleSignal(room)
                case 1: drainWakePipe()
                case 2: drain(patience: nil, room)
                case firstSilent..<firstListener: break
                default:
                    if hasStaleFiles() { drain(patience: nil, room) }
                    if !acceptAll(listeners[index - firstListener], room) { pausedUntil = now + 1_000_000 }
                }
            }
        }
    }

    /// Accepts what waits at a listener; false when the system has no descriptors left.
    private func acceptAll(_ listener: Int32, _ room: PreambleRoom) -> Bool {
        for _ in 0..<64 {
            do {
                switch listening {
                case .programs:
                    guard let accepted = try Sockets.accept(listener) else { return true }
                    take(room.enter(accepted.release(), now: SystemClock.monotonic()))
                case .network:
                    guard let accepted = try Sockets.acceptFromNetwork(listener) else { return true }
                    let connection = AcceptedConnection(descriptor: accepted.descriptor, beside: .nothing, peer: accepted.peer)
                    ServiceActor.call { Handlers.current?.accept(connection) }
                    // Most come alone; whether there is another the next poll tells in the same call.
                    return true
                }
                if !status.isAvailable { return true }
            } catch {
                context.log.warning("accept connection: \(error.reason)")
                return false
            }
        }
        return true
    }

    /// Whether a jailed program works with files that are no longer what it read.
    private func hasStaleFiles() -> Bool {
        guard let path = FileWatch.ofProcess.change() else { return false }
        context.log.info("\(path) has changed -- restarting")
        return true
    }

    /// Asks the loop for a sign of life, and ends the program when there is none for long.
    private func watch(_ dog: LoopWatchdog, now: Int64) {
        switch dog.check(now: now) {
        case .fine: break
        case .ask:
            ServiceActor.start {
                dog.answer(now: SystemClock.monotonic())
                if context.options.livenessInterval != nil { status.reportLife() }
            }
        case .stuck:
            context.log.fatal("watchdog timeout")
            ProcessSpawn.exit(1)
        }
    }

    /// A program's connection that has said what it is.
    private func take(_ word: PreambleRoom.Word?) {
        switch word {
        case .client(let descriptor, let beside):
            let accepted = AcceptedConnection(descriptor: descriptor, beside: beside, peer: nil)
            ServiceActor.call { Handlers.current?.accept(accepted) }
        case .wakeUp: ServiceActor.call { Handlers.current?.wakeUp() }
        case nil: break
        }
    }

    /// Those accepted before the end are heard out: a client that has only just connected is not to be sent away.
    private func empty(_ room: PreambleRoom) {
        while let deadline = room.nextDeadline {
            let descriptors = room.descriptors
            let left = Int((max(0, deadline - SystemClock.monotonic()) + 999) / 1000)
            let ready = (try? Polling.wait(descriptors.map { Polling.Interest($0, .read) }, milliseconds: left)) ?? []
            for index in ready { take(room.leave(descriptors[index])) }
            room.expire(now: ready.isEmpty ? deadline : SystemClock.monotonic())
        }
    }

    private func handleSignal(_ room: PreambleRoom) {
        guard let signal = nextSignal() else { return }
        drain(patience: signal == .hangUp ? nil : Acceptor.terminationPatience, room)
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
    private func drain(patience: Int?, _ room: PreambleRoom) -> Never {
        status.setDraining()
        // Where master is gone nobody else has them: who connects is refused at once, in place of waiting for one who is waiting for him.
        for listener in listeners { _ = FileDescriptor(owning: listener) }
        empty(room)
        // Behind what was handed over before.
        ServiceActor.call {
            ServiceActor.start {
                await Handlers.current?.drain()
                // The last things that were said: an answer, or a notice to qmgr, without which a message waits for the next scan.
                EndOfTurn.flush()
                context.log.flush()
                ProcessSpawn.exit(0)
            }
        }
        var remaining = patience
        while true {
            let ready: [Int]
            do {
                ready = try Polling.wait([Polling.Interest(signals, .read)], milliseconds: remaining)
            } catch {
                ProcessSpawn.exit(1)
            }
            if ready.isEmpty {
                context.log.flush()
                ProcessSpawn.exit(0)
            }
            if let signal = nextSignal(), signal != .hangUp { remaining = remaining ?? Acceptor.terminationPatience }
        }
    }
}

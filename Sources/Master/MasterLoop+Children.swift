// The children of master: starting them, hearing them, waking, signalling and reaping them. The supervisor decides; here it is done.

import MailConfiguration
import MailLog
import SystemKit

extension MasterLoop {
    func start(_ key: ServiceKey) {
        guard let service = services[key] else { return }
        do throws(SystemError) {
            guard try hasLockIfNeeded(service) else { return }
            let environment = ChildEnvironment.make(configuration.main[Parameters.importEnvironment]) {
                ProcessSpawn.environmentVariable($0)
            }
            let child = try ChildProcess.start(
                service, listeners: listeners.descriptors(of: service), lock: locks[key]?.rawValue,
                configuration: configurationMemory.rawValue, lifetime: lifetime.read.rawValue, environment: environment,
                livenessInterval: notifier.watchdogInterval.map { $0 / 2 },
                inheritsStandardOutput: configuration.main[Parameters.maillogFile] == "/dev/stdout", inheritsStandardError: isDebugging)
            children[child.pid] = child
            supervisor.childStarted(child.pid, of: key, now: clock())
        } catch {
            log.warning("\(error)")
            warn(supervisor.startFailed(key, now: clock()))
        }
    }

    /// Takes the lock of a service that may have one process only; false, with a later try, while somebody else has it.
    private func hasLockIfNeeded(_ service: ServiceDefinition) throws(SystemError) -> Bool {
        guard service.policy.isExclusive else { return true }
        switch try locks.take(service.key, queueDirectory: configuration.queueDirectory) {
        case .held: return true
        case .waits(let isNews):
            if isNews { log.warning("service \(service.key.name): waiting for the process of an earlier master to finish") }
            supervisor.postpone(service.key, until: clock() + 200_000)
            return false
        }
    }

    /// Connects to a service and closes again: to the program that is a wake-up, and where none runs it is a reason to start one.
    func wake(_ key: ServiceKey) {
        guard let service = services[key] else { return }
        for case .unix(let path) in service.endpoints {
            do throws(SystemError) {
                _ = try Sockets.connectUnix(path: path, isNonBlocking: true)
            } catch {
                // A full queue of connections wakes the service just as well.
                if !error.isWouldBlock { log.warning("wake up service \(key.name): \(error)") }
            }
        }
    }

    func reap() {
        for (pid, child) in children {
            let status: ProcessStatus
            do throws(SystemError) {
                guard let ended = try ProcessSpawn.poll(pid) else {
                    if !child.isStatusOpen { child.roundsAfterClosing += 1 }
                    continue
                }
                status = ended
            } catch {
                // No such child: somebody else reaped it. That it is gone is certain, how it ended is not.
                status = .exited(0)
            }
            hear(child)
            logErrors(of: child)
            children[pid] = nil
            warn(supervisor.childEnded(pid, status, now: clock()))
        }
    }

    func hear(_ child: ChildProcess) {
        for report in child.takeReports() {
            child.note(report, now: clock())
            warn(supervisor.childReported(child.pid, report, now: clock()))
        }
    }

    /// Whether every program whose event loop has ever given a sign of life still does. A service manager that hears nothing starts all anew.
    func doChildrenAnswer(now: Int64, interval: Int64) -> Bool {
        var allAnswer = true
        for child in children.values where child.isSilent(now: now, limit: 2 * interval) {
            allAnswer = false
            if child.isNewlySilent() {
                log.warning("process \(child.command) pid \(child.pid) does not answer: the watchdog is not told of life")
            }
        }
        return allAnswer
    }

    func logErrors(of child: ChildProcess) {
        for line in child.takeErrorLines() { log.warning("process \(child.command) pid \(child.pid): \(line)") }
    }

    private func warn(_ lines: [String]) { for line in lines { log.warning(line) } }

    /// Signals children, all or some. They are not reaped yet, so no id can belong to a stranger.
    func signalChildren(_ signal: Signal, where isMeant: (ChildProcess) -> Bool = { _ in true }) {
        for (pid, child) in children where isMeant(child) {
            do throws(SystemError) { try ProcessSpawn.kill(pid, signal) } catch { log.warning("\(error)") }
        }
    }

    /// How many children there are.
    var childCount: Int { children.count }
}

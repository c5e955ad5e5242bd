// SIGHUP: new files are taken into use whole or not at all, and what became of them is said.
//
// Known limit: names in inet_interfaces are looked up at a reload, which may wait for DNS; addresses do not.

import MailConfiguration
import MailLog
import SystemKit

extension MasterLoop {
    /// Takes new files into use; keeps everything as it is, for children that are still to come too, when they have an error.
    func reload() {
        notifier.reloading(monotonic: clock())
        let refusals = takeNewFiles()
        for refusal in refusals { log.error(refusal) }
        if !refusals.isEmpty { log.error("reload: the old configuration stays in use") }
        report(refusals: refusals)
        let word = "running; the last reload was refused, the old configuration is in use"
        notifier.ready(status: refusals.isEmpty ? "running" : word)
    }

    /// Says what became of the files, for `martlet reload` and `martlet status`.
    func report(refusals: [String]) {
        attempts += 1
        if refusals.isEmpty { inUseSince = Int(SystemClock.now() / 1_000_000) }
        let report = ReloadReport(
            processID: Int(ProcessSpawn.currentProcessID), attempt: attempts, inUseSince: inUseSince, refusals: refusals)
        do throws(SystemError) {
            try report.write(queueDirectory: configuration.queueDirectory)
        } catch {
            log.warning("cannot note the state of the configuration: \(error)")
        }
    }

    /// Reads the files and takes them into use; returns why not.
    private func takeNewFiles() -> [String] {
        let fresh: MasterConfiguration
        do { fresh = try MasterConfiguration.load(directory: configuration.directory) } catch { return error.problems.map(\.description) }
        if fresh.queueDirectory != configuration.queueDirectory {
            return ["reload: queue_directory cannot change while the mail system runs"]
        }
        do throws(SystemError) {
            let memory = try Self.memory(fresh)
            try listeners.update(fresh.services)
            configurationMemory = memory
        } catch {
            return ["reload: \(error)"]
        }
        // A moved log file is let go of; children open the new one when they start anew.
        do throws(SystemError) { try log.reopen() } catch { log.warning("cannot open the log again: \(error)") }
        for warning in fresh.main.warnings { log.warning(warning.description) }
        configuration = fresh
        services = Dictionary(fresh.services.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
        signalChildren(.hangUp)
        supervisor.drainAll()
        supervisor.configure(fresh.services.map(\.policy), now: clock())
        log.info("reload -- version \(fresh.main[Parameters.mailVersion]), configuration \(fresh.directory)")
        return []
    }

    static func memory(_ configuration: MasterConfiguration) throws(SystemError) -> FileDescriptor {
        try SealedMemory.make("configuration", configuration.snapshot.encoded)
    }
}

// Logs of messages that are gone: those of deferred and traced recipients are removed, those of failures are told of and stay.

import MailIPC
import MailLog
import MailModel
import MailQueue
import NIOPosix
import SystemKit

extension BounceService {
    /// How many logs are looked at before others have the thread.
    private static let sweepBatch = 200

    /// Removes defer and trace logs of messages that are gone: qmgr died after it had removed a message and before it had its logs forgotten. Bounce
    /// logs stay: they hold failures that perhaps nobody was told of, which is said when they are a day old.
    func sweep() async {
        for kind in BounceLog.allCases {
            do {
                try await sweep(kind)
            } catch {
                log.warning("cannot look for \(kind.directory) logs without a message: \(error)")
            }
        }
    }

    private func sweep(_ kind: BounceLog) async throws {
        let now = SystemClock.now()
        let patience: Int64 = kind == .bounce ? 86_400_000_000 : 0
        var orphans: [QueueID] = []
        for some in batches(try await onPool({ store throws(SystemError) in try store.ids(kind) }).get()) {
            orphans += try await onPool { store throws(SystemError) in
                try store.withoutFile(kind, some, untouched: patience, now: now)
            }.get()
        }
        if kind == .bounce {
            for id in orphans { log.warning("\(id): the bounce log has no message: its sender was perhaps not told") }
            return
        }
        guard !orphans.isEmpty else { return }
        let directories = settings.directories
        let recorded = try await pool.runIfActive { try CommitLogLookup.unsettled(in: directories) }
        var removed = 0
        for some in batches(orphans) {
            let result = try await onPool { store throws(SystemError) in try store.removeOrphans(kind, some, recorded: recorded) }.get()
            removed += result.removed
            if let failure = result.failure { log.warning("cannot remove a \(kind.directory) log without a message: \(failure)") }
        }
        if removed > 0 { log.info("\(removed) \(kind.directory) logs of messages that are gone removed") }
    }

    private func batches(_ ids: [QueueID]) -> [[QueueID]] {
        stride(from: 0, to: ids.count, by: BounceService.sweepBatch).map {
            Array(ids[$0..<min($0 + BounceService.sweepBatch, ids.count)])
        }
    }
}

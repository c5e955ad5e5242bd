// Deliveries into Maildirs that are made durable together.
//
// Each message is written to `tmp` when its turn comes; the batch is committed before anything else is done or said. The order, and why: all files
// are synced at the same time (Durability), so that no name in `new` ever stands for less than the whole message; each is renamed into `new`; each `new` is synced, because until then a name may be lost with the power. Only
// then may anybody hear that the message is delivered (DESIGN.md, section 1.1; ARCHITECTURE.md, S4).
//
// A crash before the rename leaves a file in `tmp`, which mail readers clean up after 36 hours (maildir(5)); after it, a message that the
// queue may deliver a second time.
// Security: names are used with the rights of the mailbox's owner only; descriptors that are open need no rights.

import SystemKit

/// Messages that are written and not yet durable.
final class MaildirBatch {
    /// One message in `tmp`.
    struct Entry {
        let identity: DeliveryIdentity
        /// Open; closed by the commit.
        let descriptor: Int32
        let temporary: String
        let final: String
        /// The directory `new`.
        let directory: String
    }

    private var entries: [(token: Int, entry: Entry)] = []
    private var failures: [Int: SystemError] = [:]
    private var lastToken = 0
    /// Makes names unique within the process (maildir(5)).
    private var sequence = 0

    init() {}

    deinit { for (_, entry) in entries { _ = FileDescriptor(owning: entry.descriptor) } }

    func nextSequence() -> Int {
        sequence += 1
        return sequence
    }

    /// - Returns: what ``takeFailure(of:)`` knows it by after the next ``commit()``.
    func add(_ entry: Entry) -> Int {
        lastToken += 1
        entries.append((lastToken, entry))
        return lastToken
    }

    /// After the commit: why an entry is not delivered, once. Then nothing of it is left, unless the rename was done: it may be delivered a second
    /// time. nil where it is durable.
    func takeFailure(of token: Int) -> SystemError? { failures.removeValue(forKey: token) }

    /// Makes everything durable that was added, and empties the batch.
    func commit() {
        guard !entries.isEmpty else { return }
        let tokens = entries.map(\.token)
        let batch = entries.map(\.entry)
        entries = []
        for (token, result) in zip(tokens, MaildirBatch.commit(batch)) where result != nil { failures[token] = result }
    }

    private static func commit(_ batch: [Entry]) -> [SystemError?] {
        var results = Durability.synchronizeData(batch.map(\.descriptor))
        for entry in batch { _ = FileDescriptor(owning: entry.descriptor) }
        for identity in Set(batch.map(\.identity)) {
            let mine = batch.indices.filter { batch[$0].identity == identity }
            do throws(SystemError) {
                try identity.perform { () throws(SystemError) in MaildirBatch.name(batch, mine, &results) }
            } catch {
                for index in mine { results[index] = results[index] ?? error }
            }
        }
        return results
    }

    /// With the owner's rights: the names.
    private static func name(_ batch: [Entry], _ mine: [Int], _ results: inout [SystemError?]) {
        for index in mine {
            do throws(SystemError) {
                if let error = results[index] { throw error }
                try Files.rename(batch[index].temporary, batch[index].final)
            } catch {
                results[index] = error
                // Mail readers remove it some day, where this fails.
                try? Files.unlink(batch[index].temporary)
            }
        }
        for directory in Set(mine.filter { results[$0] == nil }.map { batch[$0].directory }) {
            do throws(SystemError) {
                try Files.synchronizeDirectory(directory)
            } catch {
                for index in mine where results[index] == nil && batch[index].directory == directory { results[index] = error }
            }
        }
    }
}

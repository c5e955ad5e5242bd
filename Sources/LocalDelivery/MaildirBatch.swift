// Deliveries into Maildirs that are made durable together, in two steps, with the next ones on their heels.
//
// Each message is written to `tmp` when its turn comes. Then, and this is the order and why: its file is synced, so that no name in `new` ever
// stands for less than the whole message; it is renamed into `new`; `new` is synced, because until then a name may be lost with the power. Only
// then may anybody hear that the message is delivered (DESIGN.md, section 1.1; ARCHITECTURE.md, S4).
//
// A round syncs the files of one batch and the directories of the batch before it at the same time: on a file system with a journal one commit
// serves both, and while it is under way the next batch is written. So a batch takes two rounds, and each round ends one batch.
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
        /// Open; closed when it is synced.
        let descriptor: Int32
        let temporary: String
        let final: String
        /// The directory `new`.
        let directory: String
    }

    /// More do not wait for a round of their own: a list with many ends here must not use up the process's descriptors.
    private static let limit = 192

    private typealias Item = (token: Int, entry: Entry)

    /// In `tmp`.
    private var written: [Item] = []
    /// In `tmp`, being synced.
    private var syncing: [Item] = []
    /// In `new`, whose directories are being synced: by position in `directories`.
    private var named: [(token: Int, directory: Int)] = []
    private var directories: [Int32] = []
    private var round: Durability.Round?
    private let event = try? Durability.Event()
    private var failures: [Int: SystemError] = [:]
    private var lastToken = 0
    /// Makes names unique within the process (maildir(5)).
    private var sequence = 0

    init() {}

    deinit {
        round = nil
        for item in written + syncing { _ = FileDescriptor(owning: item.entry.descriptor) }
        for descriptor in directories { _ = FileDescriptor(owning: descriptor) }
    }

    func nextSequence() -> Int {
        sequence += 1
        return sequence
    }

    /// - Returns: what ``takeFailure(of:)`` knows it by when it is durable.
    func add(_ entry: Entry) -> Int {
        if written.count >= MaildirBatch.limit { advance() }
        lastToken += 1
        written.append((lastToken, entry))
        // The disk begins while the next message is written; only a hint, an error shows again in the round.
        if isRoundUnderWay {
            try? FileDescriptor.borrowing(entry.descriptor) { file throws(SystemError) in try file.startWriteback() }
        }
        return lastToken
    }

    /// When it is durable: why an entry is not delivered, once. Then nothing of it is left, unless the rename was done: it may
    /// be delivered a second time. nil where it is durable.
    func takeFailure(of token: Int) -> SystemError? { failures.removeValue(forKey: token) }

    private var isRoundUnderWay: Bool { round.map { !$0.isOver } ?? false }

    /// Becomes readable when the round under way is about to end; nil where there is nothing to wait for.
    var endOfRound: Int32? { isRoundUnderWay ? event?.descriptor : nil }

    /// Ends the round under way, and starts the next one. What was written before is in `new` after the next call, and durable after the one
    /// that follows.
    func advance() {
        endRound()
        let synced = syncing
        syncing = written
        written = []
        name(synced)
        guard !syncing.isEmpty || !directories.isEmpty else { return }
        round = Durability.Round(data: syncing.map(\.entry.descriptor), directories: directories, event: event)
    }

    /// Makes everything durable that was added.
    func commit() {
        while !written.isEmpty || !syncing.isEmpty || !named.isEmpty { advance() }
    }

    private func endRound() {
        let results = round?.results() ?? []
        round = nil
        event?.clear()
        for (position, item) in syncing.enumerated() {
            if let error = results[position] { failures[item.token] = error }
            _ = FileDescriptor(owning: item.entry.descriptor)
        }
        for (token, directory) in named {
            if let error = results[syncing.count + directory] { failures[token] = error }
        }
        for descriptor in directories { _ = FileDescriptor(owning: descriptor) }
        named = []
        directories = []
    }

    /// Gives names in `new` to what is durable in `tmp`.
    private func name(_ items: [Item]) {
        for identity in Set(items.map(\.entry.identity)) {
            let mine = items.filter { $0.entry.identity == identity }
            do throws(SystemError) {
                try identity.perform { () throws(SystemError) in rename(mine) }
            } catch {
                for item in mine { failures[item.token] = failures[item.token] ?? error }
            }
        }
    }

    /// With the owner's rights.
    private func rename(_ items: [Item]) {
        var positions: [String: Int] = [:]
        for (token, entry) in items {
            do throws(SystemError) {
                if let error = failures[token] { throw error }
                if positions[entry.directory] == nil {
                    // Before the rename: a message that has its name is as good as delivered.
                    directories.append(try FileDescriptor.open(entry.directory, [.readOnly, .directory]).release())
                    positions[entry.directory] = directories.count - 1
                }
                try Files.rename(entry.temporary, entry.final)
                named.append((token, positions[entry.directory] ?? 0))
            } catch {
                failures[token] = error
                // Mail readers remove it some day, where this fails.
                try? Files.unlink(entry.temporary)
            }
        }
    }
}

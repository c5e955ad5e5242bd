// postsuper: what the superuser does to messages.
//
// While the mail system runs, its queue manager does it, because nobody else may change the queue. While it is stopped this command takes the
// queue manager's lock and does it to the files (`postfix stop; postsuper -d ALL; postfix start` is an old habit).
//
// Security: only root and the owner of the mail system come this far; what they name is a queue id before it becomes part of a path.
// Known limits: -e and -f (force-expire) are not there. -s and -p do something only while the mail system is stopped: a running one looks
// after its files by itself. Between the acts of a stopped queue nothing is synced, as in the queue manager.

import MailConfiguration
import MailIPC
import MailModel
import MailQueue
import SystemKit

enum PostsuperCommand {
    private static let usage = """
        [-c config_dir] [-d queue_id (delete)] [-h queue_id (hold)] [-H queue_id (un-hold)] [-p (purge temporary files)] [-r queue_id \
        (requeue)] [-s (structure fix)] [-v (verbose)] [directory...]
        """

    /// The orders in the order of Postfix's last lines.
    private static let orders: [(letter: Character, verb: QueueCommand.Verb, each: String, all: String)] = [
        ("r", .requeue, "requeued", "Requeued"), ("d", .delete, "removed", "Deleted"), ("h", .hold, "placed on hold", "Placed on hold"),
        ("H", .release, "released from hold", "Released from hold"),
    ]

    static func run(_ session: ClassicSession) throws(ClassicFailure) -> Int32 {
        let options = try ClassicOptions(session, "c:d:e:f:h:H:pr:sv", usage: usage)
        if let directory = options.argument(of: "c") { session.directory = directory }
        if options.has("e") || options.has("f") { throw ClassicFailure("-e and -f (force-expire) are not supported by Martlet") }
        let main = try session.configuration()
        let owner = (try? UserDatabase.user(named: main[Parameters.mailOwner])) ?? nil
        guard Privileges.isRoot || owner?.uid == Privileges.effectiveUser else {
            throw ClassicFailure("use of this command is reserved for the superuser")
        }
        let places = ["maildrop", "incoming", "active", "deferred", "hold"]
        for word in options.operands where !places.contains(word) { throw ClassicFailure("invalid directory name: \(word)") }
        let given = orders.filter { options.has($0.letter) }
        let directories = QueueDirectories(root: main[Parameters.queueDirectory])
        let queue = try AdministeredQueue(main, directories: directories)
        if given.isEmpty || options.has("s") || options.has("p") { queue.repair(main, session) }
        for order in given {
            var count = 0
            for option in options.options where option.letter == order.letter {
                let words = option.argument == "-" ? try session.inputLines() : [Array(option.argument.utf8)]
                for word in words.map({ String(decoding: $0, as: UTF8.self).trimmedOfSpace }) where !word.isEmpty {
                    if word == "ALL" {
                        count += try queue.all(order.verb, in: options.operands)
                    } else if !word.utf8.allSatisfy(ASCII.isAlphanumeric) {
                        session.warn("invalid mail queue id: \(ASCII.printable(Array(word.utf8)))")
                    } else if let id = QueueID(word), try queue.one(order.verb, id, in: options.operands) {
                        session.say("\(id.text): \(order.each)")
                        count += 1
                    }
                }
            }
            session.say("\(order.all): \(count) \(count == 1 ? "message" : "messages")")
        }
        return 0
    }
}

/// The queue as this command reaches it.
private enum AdministeredQueue {
    case running(QueueClient, QueueDirectories)
    case stopped(QueueLock, StoppedQueue)
    /// There is none yet.
    case empty

    init(_ main: Configuration, directories: QueueDirectories) throws(ClassicFailure) {
        do throws(SystemError) {
            switch try QueueLock.take(directories) {
            case .taken(let lock):
                // After a power failure: what is deleted now is not to come back.
                for problem in try CommitLogRecovery(directories: directories, now: SystemClock.now()).run().problems {
                    Diagnostics.warning("\(problem): what is in this commit log may come back")
                }
                self = .stopped(lock, StoppedQueue(directories))
                return
            case .needless:
                self = .empty
                return
            case .busy: break
            }
        } catch {
            throw ClassicFailure(error)
        }
        do throws(IPCError) {
            self = .running(try QueueClient(connecting: main), directories)
        } catch {
            throw ClassicFailure("the queue manager cannot be reached: \(error)")
        }
    }

    /// Carries out an order about one message; false where there is no such message of which it could be done.
    func one(_ verb: QueueCommand.Verb, _ id: QueueID, in places: [String]) throws(ClassicFailure) -> Bool {
        do throws(IPCError) {
            switch self {
            case .empty: return false
            case .running(let client, let directories):
                if !places.isEmpty, try !ids(client, directories, places).contains(id) { return false }
                if verb == .delete, places.isEmpty || places.contains("maildrop"),
                    (try? Files.unlink(directories.path(.maildrop, id))) != nil
                {
                    return true
                }
                return try client.send(QueueCommand(verb, .message(id))) > 0
            case .stopped(_, let stopped):
                return stopped.perform(verb, id, in: StoppedQueue.directories(places))
            }
        } catch {
            throw ClassicFailure(QueueClient.explanation(error))
        }
    }

    func all(_ verb: QueueCommand.Verb, in places: [String]) throws(ClassicFailure) -> Int {
        do throws(IPCError) {
            switch self {
            case .empty: return 0
            case .running(let client, let directories):
                // As Postfix: what pickup has not taken yet is deleted too, but it cannot be held.
                var count = 0
                if verb == .delete, places.isEmpty || places.contains("maildrop") {
                    for id in (try? directories.ids(in: .maildrop)) ?? []
                    where (try? Files.unlink(directories.path(.maildrop, id))) != nil { count += 1 }
                }
                if places.isEmpty { return try count + client.send(QueueCommand(verb, .all)) }
                for id in try ids(client, directories, places) where try client.send(QueueCommand(verb, .message(id))) > 0 { count += 1 }
                return count
            case .stopped(_, let stopped):
                var count = 0
                for directory in StoppedQueue.directories(places) {
                    for id in ((try? stopped.directories.ids(in: directory)) ?? []).sorted()
                    where stopped.perform(verb, id, in: [directory]) { count += 1 }
                }
                return count
            }
        } catch {
            throw ClassicFailure(QueueClient.explanation(error))
        }
    }

    /// The messages that are in one of Postfix's queues, as the queue manager sees it.
    private func ids(_ client: QueueClient, _ directories: QueueDirectories, _ places: [String]) throws(IPCError) -> Set<QueueID> {
        var found: Set<QueueID> = []
        try client.list { if places.contains($0.place.name) { found.insert($0.queueID) } }
        if places.contains("maildrop") { found.formUnion((try? directories.ids(in: .maildrop)) ?? []) }
        return found
    }

    /// Puts the files in order, where nobody is at work on them.
    func repair(_ main: Configuration, _ session: ClassicSession) {
        guard case .stopped(_, let stopped) = self, let owners = try? QueueLayout.owners(main) else { return }
        let directories = stopped.directories
        var check = QueueCheck(
            directories: directories, owners: owners, now: SystemClock.now(),
            maximalLifetime: Int64(main[Parameters.maximalQueueLifetime]) * 1_000_000, messageSizeLimit: main[Parameters.messageSizeLimit])
        check.run()
        var work = QueueRepair(directories: directories)
        for index in check.findings.indices { work.apply(&check.findings[index]) }
        work.finish()
        for finding in check.findings where !finding.isNote {
            session.say("\(finding.done == nil ? "warning: " : "")\(finding.path): \(finding.text)\(finding.done.map { ": \($0)" } ?? "")")
        }
    }
}

/// Orders carried out on the files. The caller holds the queue manager's lock.
private final class StoppedQueue {
    let directories: QueueDirectories
    /// Of a cleanup that has not ended yet; all other logs are empty.
    private var marks: CommitLogMarks

    init(_ directories: QueueDirectories) {
        self.directories = directories
        marks = CommitLogMarks(directories: directories)
        for problem in marks.learn() { Diagnostics.warning(problem) }
    }

    /// The directories that Postfix's names stand for; active messages are in `incoming` or `deferred` here. In `maildrop` only deleting is
    /// possible.
    static func directories(_ places: [String]) -> [QueueDirectory] {
        places.isEmpty ? [.maildrop, .incoming, .deferred, .hold] : places.compactMap(QueueDirectory.init(rawValue:))
    }

    func perform(_ verb: QueueCommand.Verb, _ id: QueueID, in places: [QueueDirectory]) -> Bool {
        for place in places where (try? Files.exists(directories.path(place, id))) == true {
            do {
                switch (verb, place) {
                case (.delete, _):
                    try marks.settle(id)
                    try Files.unlink(directories.path(place, id))
                    if place != .maildrop {
                        for log in [QueueDirectory.bounce, .defer, .trace] { try? Files.unlink(directories.path(log, id)) }
                    }
                case (_, .maildrop): continue
                case (.hold, .hold): continue
                case (.hold, _):
                    if place == .incoming { try marks.leave(id) }
                    try directories.move(id, from: place, to: .hold)
                case (.release, .hold), (.requeue, .hold):
                    try Files.setTimes(directories.path(.hold, id), modified: SystemClock.now())
                    try directories.move(id, from: .hold, to: .deferred)
                case (.requeue, .deferred): try Files.setTimes(directories.path(.deferred, id), modified: SystemClock.now())
                case (.requeue, .incoming): break
                default: continue
                }
                return true
            } catch {
                Diagnostics.error("\(error)")
            }
        }
        return false
    }
}

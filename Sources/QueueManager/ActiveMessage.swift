// A message that the queue manager has in memory: one round of attempts, from its activation to its removal or deferral.

import MailIPC
import MailModel
import MailQueue
import Scheduling
import ServiceKit

@ServiceActor
final class ActiveMessage {
    /// What is to be done with it when the deliveries under way have ended: an administrator's order, or nothing because its file is gone.
    enum Wish { case hold, requeue, delete, forget }

    let id: QueueID
    /// Where its file stands: `incoming` or `deferred`.
    let directory: QueueDirectory
    let envelope: Envelope
    let contentFacts: ContentFacts
    let contentOffset: UInt64
    let contentLength: UInt64
    /// Where it stands in a commit log, while no file is known to have been made of it.
    var place: CommitLogPlace?
    /// When this round began, microseconds since 1970.
    let activated: Int64
    /// The administrator asked for this attempt.
    let isFlushed: Bool
    var delayNoticeSent: Bool
    private(set) var states: [RecipientState]
    /// Where the state bytes are in the file; nil until the file was read.
    var stateOffsets: [UInt64]?
    /// Recipients of this round that have no result yet.
    var outstanding = 0
    /// What it takes up among the active messages; nil while it does not.
    var ticket: ActiveShares.Ticket?
    /// Why recipients were deferred in this round.
    var deferrals: [Int: RecipientOutcome] = [:]
    /// Where routing rewrote a recipient: the address that agents are told.
    var routedAddresses: [Int: MailAddress] = [:]
    /// The bounce log may hold failures that the sender was not told of.
    var hasUnreportedFailures: Bool
    /// The trace log holds successes that the sender was not told of.
    var hasUnreportedSuccesses: Bool
    /// The bounce service keeps logs of this message.
    var hasLogs: Bool
    var wish: Wish?
    /// States that are not in a file: there is none, for want of room, or it could not be written to.
    var hasUnwrittenStates = false
    /// Deleted; its file is gone already.
    var isRemoved = false

    /// From a file.
    init(_ stored: StoredMessage, id: QueueID, directory: QueueDirectory, activated: Int64, isFlushed: Bool) {
        self.id = id
        self.directory = directory
        self.activated = activated
        self.isFlushed = isFlushed
        envelope = stored.envelope
        contentFacts = stored.header.contentFacts
        contentOffset = stored.header.contentOffset
        contentLength = stored.header.contentLength
        delayNoticeSent = stored.header.delayNoticeSent
        states = stored.states
        stateOffsets = stored.stateOffsets
        // Whether the report was queued before a crash is not known from the file; the bounce service knows, because a log that was
        // reported is gone (ARCHITECTURE.md, S6).
        hasUnreportedFailures = stored.states.contains(.bounced)
        // The same for successes that somebody wants to hear of.
        hasUnreportedSuccesses = zip(stored.states, stored.envelope.recipients).contains { $0 == .done && $1.notify.reportsSuccess }
        hasLogs = directory == .deferred || hasUnreportedFailures || hasUnreportedSuccesses
    }

    /// From cleanup's notice: the fast path, on which the envelope is not read back.
    init(_ notice: ArrivalNotice, activated: Int64) {
        id = notice.queueID
        directory = .incoming
        self.activated = activated
        isFlushed = false
        envelope = notice.envelope
        contentFacts = notice.contentFacts
        contentOffset = notice.contentOffset
        contentLength = notice.contentLength
        place = notice.isFile ? nil : notice.place
        delayNoticeSent = false
        states = notice.envelope.recipients.map { _ in .todo }
        hasUnreportedFailures = false
        hasUnreportedSuccesses = false
        hasLogs = false
    }

    /// Recipients that need an attempt.
    var todo: [Int] { states.indices.filter { states[$0] == .todo } }
    var isFinished: Bool { !states.contains(.todo) }

    /// Changes the state in memory; the file is the caller's business.
    func setState(_ state: RecipientState, of recipient: Int) { states[recipient] = state }

    /// Recipients that have had their last attempt.
    var final: [Int] { states.indices.filter { states[$0] != .todo } }
}

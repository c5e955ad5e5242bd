// Idle conversations, kept a moment for the next message to the same destination.
//
// Bulk to one destination finds an idle conversation each time, because qmgr sends the next request as soon as it has the last result. A
// peer that has closed meanwhile is noticed by the first command, before any content: that message begins anew elsewhere, unseen.

import NIOCore
import SMTPProtocol
import ServiceKit

@ServiceActor
final class ConversationCache {
    private struct Idle {
        let conversation: Conversation
        let until: NIODeadline
    }

    private let reuse: ClientParameters.Reuse
    private let clock: @Sendable () -> Int64
    private var idle: [String: [Idle]] = [:]
    private var count = 0
    private let timer = DeadlineTimer()
    private var nextExpiry = NIODeadline.distantFuture
    /// Idle conversations in all; beyond it none is kept.
    private static let limit = 500

    init(_ reuse: ClientParameters.Reuse, clock: @escaping @Sendable () -> Int64) {
        self.reuse = reuse
        self.clock = clock
        timer.onTime = { [weak self] in self?.expire() }
    }

    /// The conversation that became idle last, for a next hop.
    func take(_ nextHop: String) -> Conversation? {
        guard var list = idle[nextHop], let last = list.popLast() else { return nil }
        idle[nextHop] = list.isEmpty ? nil : list
        count -= 1
        return last.conversation
    }

    /// Keeps a conversation if it may be used again, else ends it.
    func put(_ conversation: Conversation, _ nextHop: String) {
        guard mayBeReused(conversation, nextHop) else {
            ServiceActor.start { await conversation.end() }
            return
        }
        let until = NIODeadline.now() + .seconds(Int64(reuse.idle))
        idle[nextHop, default: []].append(Idle(conversation: conversation, until: until))
        count += 1
        if until < nextExpiry {
            nextExpiry = until
            timer.set(until)
        }
    }

    private func mayBeReused(_ conversation: Conversation, _ nextHop: String) -> Bool {
        guard conversation.session.isReusable, reuse.idle > 0, count < ConversationCache.limit else { return false }
        guard reuse.isOnDemand || reuse.destinations.contains(where: { $0.lowercased() == nextHop }) else { return false }
        if reuse.count > 0 && conversation.session.transactionCount >= reuse.count { return false }
        return clock() - conversation.begun < Int64(reuse.time) * 1_000_000
    }

    private func expire() {
        let now = NIODeadline.now()
        nextExpiry = .distantFuture
        for (nextHop, list) in idle {
            let kept = list.filter { $0.until > now }
            idle[nextHop] = kept.isEmpty ? nil : kept
            count -= list.count - kept.count
            for old in list where old.until <= now { ServiceActor.start { await old.conversation.end() } }
            for one in kept where one.until < nextExpiry { nextExpiry = one.until }
        }
        timer.set(nextExpiry)
    }

    /// Ends all of them.
    func drain() async {
        let all = idle.values.flatMap { $0 }
        idle = [:]
        count = 0
        for one in all {
            await one.conversation.end()
        }
    }
}

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
        let number: UInt64
        let timer: Scheduled<Void>
    }

    private let reuse: ClientParameters.Reuse
    private let clock: @Sendable () -> Int64
    private var idle: [String: [Idle]] = [:]
    private var count = 0
    private var nextNumber: UInt64 = 0
    /// Idle conversations in all; beyond it none is kept.
    private static let limit = 500

    init(_ reuse: ClientParameters.Reuse, clock: @escaping @Sendable () -> Int64) {
        self.reuse = reuse
        self.clock = clock
    }

    /// The conversation that became idle last, for a next hop.
    func take(_ nextHop: String) -> Conversation? {
        guard var list = idle[nextHop], let last = list.popLast() else { return nil }
        idle[nextHop] = list.isEmpty ? nil : list
        count -= 1
        last.timer.cancel()
        return last.conversation
    }

    /// Keeps a conversation if it may be used again, else ends it.
    func put(_ conversation: Conversation, _ nextHop: String) {
        guard mayBeReused(conversation, nextHop) else {
            ServiceActor.start { await conversation.end() }
            return
        }
        nextNumber += 1
        let number = nextNumber
        let timer = ServiceActor.loop.scheduleTask(in: .seconds(Int64(reuse.idle))) {
            ServiceActor.assumeIsolated { self.expire(nextHop, number) }
        }
        idle[nextHop, default: []].append(Idle(conversation: conversation, number: number, timer: timer))
        count += 1
    }

    private func mayBeReused(_ conversation: Conversation, _ nextHop: String) -> Bool {
        guard conversation.session.isReusable, reuse.idle > 0, count < ConversationCache.limit else { return false }
        guard reuse.isOnDemand || reuse.destinations.contains(where: { $0.lowercased() == nextHop }) else { return false }
        if reuse.count > 0 && conversation.session.transactionCount >= reuse.count { return false }
        return clock() - conversation.begun < Int64(reuse.time) * 1_000_000
    }

    private func expire(_ nextHop: String, _ number: UInt64) {
        guard var list = idle[nextHop], let index = list.firstIndex(where: { $0.number == number }) else { return }
        let old = list.remove(at: index)
        idle[nextHop] = list.isEmpty ? nil : list
        count -= 1
        ServiceActor.start { await old.conversation.end() }
    }

    /// Ends all of them.
    func drain() async {
        let all = idle.values.flatMap { $0 }
        idle = [:]
        count = 0
        for one in all {
            one.timer.cancel()
            await one.conversation.end()
        }
    }
}

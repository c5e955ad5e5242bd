// Which delivery of a transport goes next.
//
// The first job in the order of turns is the current one. While it is large (minimumSlots), each slotCost of its deliveries earn one slot,
// for which a smaller job may go first: Postfix's preemption (qmgr_job.c, SCHEDULER_README). The candidate is the job with the best ratio
// of time in the queue to size; it is taken as soon as slots earned, plus a loan, reach the deliveries it needs less a discount, and all
// of them have to be earned before the next. So small mail overtakes a mailing list, and the list takes at most slotCost/(slotCost-1) as
// long.
// Differences from Postfix: the order of jobs gives senders and destinations turns instead of being the order of arrival; candidates of
// one size (powers of two) go in that order too; and only jobs of a smaller size than the current one are candidates.

extension TransportQueue {
    /// A peer that can go, where it stands.
    private struct Head {
        let turn: Turn
        let slot: Int
        let peer: Int
    }

    /// Begins the next delivery; nil where every window or the transport itself is full.
    mutating func select(now: Int64) -> (job: Int, slot: Int, recipients: [UInt32])? {
        guard pending > 0 else { return nil }
        expireAlarms(now: now)
        if policy.transportRateDelay > 0 && (busy > 0 || now < pausedUntil) { return nil }
        if policy.processLimit > 0 && busy >= policy.processLimit { return nil }
        guard let current = first() else { return nil }
        guard policy.slotCost >= 2, let job = peers[current.peer]?.job, let candidate = candidate(over: job, now: now) else {
            return begin(current, now: now)
        }
        putFirst(candidate, over: job, at: current.turn, now: now)
        return begin(candidate, now: now)
    }

    private mutating func first() -> Head? {
        var best: (turn: Turn, slot: Int, index: Int)?
        var rest = readyClasses
        while rest != 0 {
            let index = rest.trailingZeroBitCount
            rest &= rest - 1
            guard let (turn, slot) = ready[index].first else { continue }
            if best.map({ turn < $0.turn }) ?? true { best = (turn, slot, index) }
        }
        return best.flatMap { head($0.slot, ready: $0.index) }
    }

    private mutating func head(_ slot: Int, ready index: Int) -> Head? {
        guard let turn = ready[index].first?.key, let position = destinations[slot]?.classes.firstIndex(where: { $0.number == index }),
            let peer = firstPeer(slot, position)
        else { return nil }
        return Head(turn: turn, slot: slot, peer: peer)
    }

    /// The job that may go before the current one, if any.
    private mutating func candidate(over current: Int, now: Int64) -> Head? {
        guard let job = jobs[current], job.slotsAvailable > 0, job.total >= policy.minimumSlots * policy.slotCost else { return nil }
        // What it can still earn: a job that needs more would never be paid for.
        let most = (job.left + job.slotsAvailable) / policy.slotCost
        guard most > 0 else { return nil }
        var rest = readyClasses & (1 << UInt32(job.sizeClass) - 1)
        var best: (head: Head, score: Double, needed: Int)?
        while rest != 0 {
            let index = rest.trailingZeroBitCount
            rest &= rest - 1
            guard let slot = ready[index].first?.index, let head = head(slot, ready: index), let number = peers[head.peer]?.job,
                let other = jobs[number], other.left <= most
            else { continue }
            let score = (Double(max(0, now - other.queued)) / 1e6 + 1) / Double(other.total)
            if best.map({ score > $0.score || score == $0.score && head.turn < $0.head.turn }) ?? true { best = (head, score, other.left) }
        }
        guard let best else { return nil }
        let required = Double(best.needed * (100 - policy.slotDiscount)) / 100
        return Double(job.slotsAvailable / policy.slotCost + policy.slotLoan) >= required ? best.head : nil
    }

    /// Preempts: the candidate's job stands just before the current one from now on, and its deliveries are charged.
    private mutating func putFirst(_ candidate: Head, over current: Int, at turn: Turn, now: Int64) {
        guard let job = peers[candidate.peer]?.job, let left = jobs[job]?.left else { return }
        jobs[current]?.slotsAvailable -= left * policy.slotCost
        for peer in jobs[job]?.peers ?? [] where peers[peer]?.job == job {
            peers[peer]?.turn = Turn(tag: turn.tag, job: turn.job, depth: turn.depth - 1, round: 0)
            peers[peer]?.isFixed = true
            place(peer)
            if let slot = peers[peer]?.slot { expose(slot, now: now) }
        }
    }

    private mutating func begin(_ head: Head, now: Int64) -> (job: Int, slot: Int, recipients: [UInt32])? {
        guard let peer = peers[head.peer] else { return nil }
        let end = min(peer.recipients.count, peer.next + peer.limit)
        let recipients = Array(peer.recipients[peer.next..<end])
        if !peer.isFixed { peers[head.peer]?.turn.tag = head.turn.tag }
        if peer.next == 0 {
            // A new job here is this destination's turn: with m destinations waiting it has the next one m jobs later, and n jobs are one
            // unit. Never more than one: what is begun of a list to many destinations must not put them behind everything else.
            let step = Turn.unit * Int64(max(1, waitingDestinations)) / Int64(max(1, turns.count, waitingDestinations))
            let tag = max(destinations[head.slot]?.tag ?? 0, head.turn.tag)
            destinations[head.slot]?.tag = tag + step
        }
        if let flow = jobs[peer.job]?.flow, jobs[peer.job]?.hasBegun == false {
            jobs[peer.job]?.hasBegun = true
            turns.begin(flow: flow)
        }
        jobs[peer.job]?.selected += 1
        jobs[peer.job]?.slotsAvailable += 1
        peers[head.peer]?.next = end
        if end == peer.recipients.count {
            close(head.peer)
        } else {
            peers[head.peer]?.isFixed = true
            peers[head.peer]?.turn.round += 1
            place(head.peer)
        }
        change(pendingBy: -1, head.slot)
        destinations[head.slot]?.busy += 1
        busy += 1
        expose(head.slot, now: now)
        return (peer.job, head.slot, recipients)
    }
}

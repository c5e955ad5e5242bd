// The destinations of a transport: what is known about them, when they come back from the dead, when they are forgotten.

import HeapModule

extension TransportQueue {
    func destination(of slot: Int) -> Destination? { destinations[slot]?.destination }
    func window(ofKey key: String) -> (size: Int, busy: Int, pending: Int)? {
        guard let slot = slotOfKey[key], let queue = destinations[slot] else { return nil }
        return (queue.window.size, queue.busy, queue.pending)
    }

    /// Ends outages and revives destinations, as a flush asks for.
    mutating func reviveAll(now: Int64) {
        outage = nil
        for slot in destinations.indices where destinations[slot]?.death != nil {
            destinations[slot]?.revive()
            settle(slot, now: now)
        }
    }

    /// As ``reviveAll(now:)``, for one destination and the transport itself.
    mutating func revive(key: String, now: Int64) {
        outage = nil
        guard let slot = slotOfKey[key], destinations[slot]?.death != nil else { return }
        destinations[slot]?.revive()
        settle(slot, now: now)
    }

    /// After a change of a destination: what it has to offer, and whether it can be forgotten.
    mutating func settle(_ slot: Int, now: Int64) {
        expose(slot, now: now)
        guard destinations[slot]?.isIdle == true, let queue = destinations[slot] else { return }
        if queue.death == nil && queue.window.failedCohorts == 0 && queue.pausedUntil <= now {
            slotOfKey[queue.destination.key] = nil
            destinations.remove(slot)
        } else {
            let record = queue.window.failedCohorts == 0 && queue.death == nil ? .min : now + policy.deadTime
            let time = max(queue.pausedUntil, record)
            destinations[slot]?.forgetAt = time
            alarms.insert(Alarm(at: time, slot: slot))
        }
    }

    // MARK: Time

    /// Ends pauses and forgets what is long over.
    mutating func expireAlarms(now: Int64) {
        while let alarm = alarms.min, alarm.at <= now {
            alarms.removeMin()
            // The slot may have been used since, or belong to another destination by now; its own note decides then.
            guard let queue = destinations[alarm.slot] else { continue }
            if !queue.isIdle {
                expose(alarm.slot, now: now)
            } else if queue.forgetAt <= now {
                slotOfKey[queue.destination.key] = nil
                destinations.remove(alarm.slot)
            }
        }
    }

    /// When something that waits can go because time has passed; nil where only the end of a delivery helps.
    func nextWakeUp(now: Int64) -> Int64? {
        guard pending > 0 else { return nil }
        if policy.transportRateDelay > 0 && busy == 0 && pausedUntil > now { return pausedUntil }
        guard policy.destinationRateDelay > 0, let alarm = alarms.min else { return nil }
        return max(alarm.at, now)
    }
}

// What a message has to be done over one transport, and the part of that for one destination: jobs and peers, in the words of Postfix's
// queue manager.

import MailModel

/// A message on one transport.
struct Job {
    let message: QueueID
    /// Order of arrival.
    let number: UInt64
    /// Given when it came: when its turn is.
    let tag: Int64
    /// The number of its sender in ``SenderTurns``; -1 = none.
    let flow: Int
    let queued: Int64
    /// Deliveries that it was cut into.
    let total: Int
    /// Deliveries that were begun or given back.
    var selected = 0
    /// Deliveries of it since the last preemption was paid for; negative while slots are owed (qmgr_job.c: slots_available).
    var slotsAvailable = 0
    var hasBegun = false
    /// Its peers, also those that are gone, whose numbers may name other jobs' peers by now.
    var peers: [Int] = []
    /// Peers that have something waiting.
    var livePeers = 0

    var left: Int { total - selected }
    var sizeClass: Int { Job.sizeClass(total) }

    /// Jobs are sorted by the power of two that their number of deliveries reaches: 1, 2, 3...4, 5...8, and so on.
    static func sizeClass(_ total: Int) -> Int { min(Job.classes - 1, Int.bitWidth - max(0, total - 1).leadingZeroBitCount) }
    static let classes = 20
}

/// The recipients of a job at one destination.
struct Peer {
    let job: Int
    let slot: Int
    let sizeClass: Int
    let recipients: [UInt32]
    /// Recipients of one delivery.
    let limit: Int
    /// The first recipient that waits.
    var next = 0
    var turn: Turn
    /// Whether ``turn`` is final. Otherwise the destination's own turn may come later than the job's.
    var isFixed = false
    /// Which of the entries in the destination's heap is the valid one.
    var stamp: UInt64 = 0

    /// Deliveries that wait.
    var left: Int { (recipients.count - next + limit - 1) / limit }
}

// Whose turn it is: the order of jobs, and the virtual time that gives senders and destinations their turns.
//
// This is start-time fair queueing with messages as the unit. A job gets a tag when it comes: virtual time, or one unit behind the last
// waiting job of the same sender, whichever is later. So a thousand messages of one sender stand in a thousand different turns, and the
// single message of another stands in the next one. Virtual time advances by 1/n unit for each job begun while n senders wait: as fast as
// the turns are really served, so that nobody who waits is overtaken by newcomers for ever.
// Retried mail is tagged a few units later than new mail: it goes out when it has waited that long, or when nothing new waits.

/// The place of something in the order of deliveries; less is earlier.
struct Turn: Comparable, Sendable {
    /// Virtual time, ``Turn/unit`` being one turn of a sender.
    var tag: Int64
    /// Jobs with the same tag go in the order in which they came.
    var job: UInt64
    /// Of the jobs that go before `job` by preemption, those that preempted later go first: 0 for `job` itself, then -1, -2...
    var depth: Int32
    /// Deliveries made for this destination of the job: a job's destinations have their turns too.
    var round: UInt32

    /// One turn.
    static let unit: Int64 = 1 << 20

    static func < (a: Turn, b: Turn) -> Bool {
        if a.tag != b.tag { return a.tag < b.tag }
        if a.job != b.job { return a.job < b.job }
        return a.depth == b.depth ? a.round < b.round : a.depth < b.depth
    }
}

/// The senders that have jobs waiting which were not begun, and virtual time.
struct SenderTurns {
    /// How much later than new mail retried mail stands.
    static let retryLag = 4 * Turn.unit

    private struct Key: Hashable {
        let sender: String
        let isRetry: Bool
    }
    private struct Flow {
        let key: Key
        var last: Int64
        var waiting: Int
    }

    private(set) var now: Int64 = 0
    private var flows = Slab<Flow>()
    private var flowOfKey: [Key: Int] = [:]
    /// Jobs without a sender: each is a flow of its own.
    private var anonymous = 0

    /// Flows that wait.
    var count: Int { flows.count + anonymous }

    /// A job comes. Returns its tag, and the number of its flow, -1 for a job without a sender.
    mutating func enter(sender: String?, isRetry: Bool) -> (tag: Int64, flow: Int) {
        let start = isRetry ? now + SenderTurns.retryLag : now
        guard let sender else {
            anonymous += 1
            return (start, -1)
        }
        let key = Key(sender: sender, isRetry: isRetry)
        if let flow = flowOfKey[key], let last = flows[flow]?.last {
            let tag = max(start, last + Turn.unit)
            flows[flow]?.last = tag
            flows[flow]?.waiting += 1
            return (tag, flow)
        }
        // Who has nothing waiting goes before those who have, where the turn is the same.
        let tag = start - 1
        let flow = flows.insert(Flow(key: key, last: tag, waiting: 1))
        flowOfKey[key] = flow
        return (tag, flow)
    }

    /// A job is begun.
    mutating func begin(flow: Int) {
        now += Turn.unit / Int64(max(1, count))
        leave(flow: flow)
    }

    /// A job leaves before it is begun.
    mutating func leave(flow: Int) {
        guard flow >= 0 else {
            anonymous -= 1
            return
        }
        flows[flow]?.waiting -= 1
        guard let left = flows[flow], left.waiting == 0 else { return }
        flowOfKey[left.key] = nil
        flows.remove(flow)
    }
}

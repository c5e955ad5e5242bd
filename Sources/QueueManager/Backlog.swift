// The order of the messages in `incoming` that wait for room, which may be a million: taking from the front moves an index, and the taken part
// is given back now and then.

import MailModel

/// First in, first out.
struct Backlog {
    private var ids: [QueueID] = []
    private var start = 0

    mutating func append(_ id: QueueID) { ids.append(id) }

    mutating func popFirst() -> QueueID? {
        guard start < ids.count else { return nil }
        let id = ids[start]
        start += 1
        if start == ids.count || start >= 4096 {
            ids.removeFirst(start)
            start = 0
        }
        return id
    }
}

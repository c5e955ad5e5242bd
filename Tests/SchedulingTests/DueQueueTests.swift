// The deferred queue in memory: order, removal, flush, and that a million entries stay small.

import MailModel
import Testing

@testable import Scheduling

private func id(_ number: Int) -> QueueID { QueueID(microseconds: 1_700_000_000_000_000 + Int64(number), unique: UInt64(number)) }

@Test(arguments: ["000000", "abcdefghijkLMNOP", "4gXYZ1abcdz123", "zzzzzzzzzzzzzzzzzzzzz", "0A0z0Z"])
func packedIdsComeBack(text: String) throws {
    let id = try #require(QueueID(text))
    #expect(PackedQueueID(id)?.queueID == id)
}

@Test func longIdsDoNotPackButAreKept() throws {
    let long = try #require(QueueID(String(repeating: "z", count: 40)))
    #expect(PackedQueueID(long) == nil)
    var queue = DueQueue()
    queue.schedule(long, due: 5)
    queue.schedule(id(1), due: 6)
    #expect(queue.nextDue() == 5)
    #expect(queue.popDue(now: 10) == long)
    #expect(queue.popDue(now: 10) == id(1))
    #expect(queue.isEmpty)
}

@Test(arguments: [UInt64(21), 22, 23, 24])
func theQueueAgreesWithAPlainDictionary(seed: UInt64) {
    print("seed \(seed)")
    var random = SeededGenerator(seed: seed)
    var queue = DueQueue()
    var model: [QueueID: Int64] = [:]
    var now: Int64 = 0
    for _ in 0..<20_000 {
        let some = id(Int.random(in: 0..<400, using: &random))
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<50:
            let due = now + Int64.random(in: 0...1000, using: &random)
            queue.schedule(some, due: due)
            model[some] = due
        case 50..<65: #expect(queue.remove(some) == (model.removeValue(forKey: some) != nil))
        case 65..<66:
            queue.flush(now: now)
            for (key, due) in model where due > now { model[key] = now }
        case 66..<67:
            let batch = (0..<20).map { (id: id(1000 + $0), due: now + Int64($0)) }
            queue.schedule(batch)
            for (key, due) in batch { model[key] = due }
        default:
            now += 3
            #expect(queue.nextDue() == model.values.min())
            while let popped = queue.popDue(now: now) {
                let due = model.removeValue(forKey: popped)
                #expect(due != nil && due ?? .max <= now)
                #expect(model.values.allSatisfy { $0 >= due ?? .max })
            }
            #expect(model.values.allSatisfy { $0 > now })
        }
        #expect(queue.count == model.count)
        #expect(queue.due(of: some) == model[some])
    }
    #expect(Dictionary(uniqueKeysWithValues: queue.messages.map { ($0.id, $0.due) }) == model)
}

/// 48 bytes of elements for each message; with the slack of a hash table at half load, under the 100 that a million may cost.
@Test func anEntryIsSmall() {
    #expect(MemoryLayout<PackedQueueID>.stride == 16)
    var queue = DueQueue()
    queue.schedule((0..<200_000).map { (id: id($0), due: Int64($0 &* 7919 % 100_003)) })
    #expect(queue.count == 200_000)
    var last: Int64 = -1
    var popped = 0
    while let next = queue.nextDue(), queue.popDue(now: next) != nil {
        #expect(next >= last)
        last = next
        popped += 1
    }
    #expect(popped == 200_000)
}

@Test func aScanIsTakenOver() throws {
    let names: [(String, Int64)] = [
        (id(1).text, 10), (id(2).text, 20), ("..", 1), ("no-id.tmp", 2), (String(repeating: "z", count: 40), 30),
    ]
    let scanned = DueQueue { add in
        for (name, due) in names { Array(name.utf8).withUnsafeBufferPointer { add($0, due) } }
    }
    #expect(scanned.count == 3)
    // What is known already is known better.
    var queue = DueQueue()
    queue.schedule(id(2), due: 99)
    queue.schedule(id(3), due: 5)
    queue.absorb(scanned)
    #expect(queue.count == 4)
    #expect(queue.due(of: id(1)) == 10 && queue.due(of: id(2)) == 99 && queue.due(of: id(3)) == 5)
    #expect(queue.nextDue() == 5)
    var empty = DueQueue()
    empty.absorb(scanned)
    #expect(empty.due(of: id(2)) == 20 && empty.nextDue() == 10)
}

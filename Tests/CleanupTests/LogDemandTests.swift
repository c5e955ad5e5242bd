import NIOCore
import Testing

@testable import Cleanup

@Suite struct LogDemandTests {
    /// commits: (after so many milliseconds, messages in it).
    @Test(arguments: [
        ("a small log", 1 << 20, [(0, 2)], true),
        ("alone", 1 << 20, Array(repeating: (1, 1), count: 500), false),
        ("alone, but again and again", 32 << 20, Array(repeating: (10, 1), count: 600), true),
        ("the same for a while only", 32 << 20, Array(repeating: (10, 1), count: 400), false),
        ("the same, but slower", 32 << 20, Array(repeating: (30, 1), count: 2000), false),
        ("the same with a pause", 32 << 20, Array(repeating: (10, 1), count: 450) + [(2500, 1)] + Array(repeating: (10, 1), count: 450), false),
        ("two now and then", 32 << 20, Array(repeating: (200, 2), count: 200), false),
        ("senders in line", 32 << 20, Array(repeating: (5, 16), count: 4), true),
        ("not yet", 32 << 20, Array(repeating: (5, 16), count: 3), false),
        ("nothing is remembered", 32 << 20, [(0, 63), (1001, 63)], false),
    ])
    func aLogPays(_ name: String, size: Int, commits: [(Int, Int)], isThere: Bool) {
        var demand = LogDemand(size: size)
        var now = NIODeadline.uptimeNanoseconds(7_000_000_000_000)
        var was = false
        for (pause, count) in commits {
            now = now + .milliseconds(Int64(pause))
            was = demand.isThere(with: count, now: now) || was
        }
        #expect(was == isThere)
    }
}

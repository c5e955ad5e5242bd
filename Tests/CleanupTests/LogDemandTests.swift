import NIOCore
import Testing

@testable import Cleanup

@Suite struct LogDemandTests {
    typealias Stretch = (pause: Int, count: Int, times: Int)

    /// Stretches of commits: so many times `count` messages, each after a pause of so many milliseconds.
    static let cases: [(name: String, size: Int, stretches: [Stretch], isThere: Bool)] = [
        ("a small log", 1 << 20, [(0, 2, 1)], true),
        ("alone", 1 << 20, [(1, 1, 500)], false),
        ("alone, but again and again", 32 << 20, [(10, 1, 600)], true),
        ("the same for a while only", 32 << 20, [(10, 1, 400)], false),
        ("the same, but slower", 32 << 20, [(30, 1, 2000)], false),
        ("the same with a pause", 32 << 20, [(10, 1, 450), (2500, 1, 1), (10, 1, 450)], false),
        ("two now and then", 32 << 20, [(200, 2, 200)], false),
        ("senders in line", 32 << 20, [(5, 16, 4)], true),
        ("not yet", 32 << 20, [(5, 16, 3)], false),
        ("nothing is remembered", 32 << 20, [(0, 63, 1), (1001, 63, 1)], false),
    ]

    @Test(arguments: cases.indices) func aLogPays(index: Int) {
        let (name, size, stretches, isThere) = Self.cases[index]
        var demand = LogDemand(size: size)
        var now = NIODeadline.uptimeNanoseconds(7_000_000_000_000)
        var was = false
        for stretch in stretches {
            for _ in 0..<stretch.times {
                now = now + .milliseconds(Int64(stretch.pause))
                was = demand.isThere(with: stretch.count, now: now) || was
            }
        }
        #expect(was == isThere, "\(name)")
    }
}

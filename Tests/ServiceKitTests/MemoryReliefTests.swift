// When a peak of sessions is over.

import Testing

@testable import ServiceKit

@Suite @ServiceActor struct MemoryReliefTests {
    /// Numbers of sessions, and at which of them memory is given back.
    @Test(
        arguments: [
            ([], []),
            ([1, 0, 63, 0, 63, 8, 0], []),
            ([64, 9, 8, 7, 0], [2]),
            ([1500, 188, 187, 23, 22, 0], [2, 3]),
            ([1500, 0, 0, 0], [1]),
            ([100, 50, 100, 13, 12, 100, 13, 12], [4, 7]),
        ] as [([Int], [Int])])
    func peaksEndFarBelowTheirHeight(_ counts: [Int], _ ends: [Int]) {
        var peak = MemoryRelief.Peak()
        #expect(counts.indices.filter { peak.isOver(at: counts[$0]) } == ends)
    }
}

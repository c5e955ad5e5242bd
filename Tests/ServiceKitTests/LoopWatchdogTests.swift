import Testing

@testable import ServiceKit

@Suite struct LoopWatchdogTests {
    @Test func aLoopThatAnswersIsAskedNowAndThen() {
        let dog = LoopWatchdog(seconds: 30, now: 0)
        #expect(dog.deadline == 10_000_000)
        #expect(dog.check(now: 9_999_999) == .fine)
        #expect(dog.check(now: 10_000_000) == .ask)
        #expect(dog.check(now: 11_000_000) == .fine)
        #expect(dog.deadline == 40_000_000)
        dog.answer(now: 12_000_000)
        #expect(dog.deadline == 22_000_000)
        #expect(dog.check(now: 21_000_000) == .fine)
        #expect(dog.check(now: 22_000_000) == .ask)
    }

    @Test func aLoopThatDoesNotIsStuck() {
        let dog = LoopWatchdog(seconds: 30, now: 0)
        #expect(dog.check(now: 10_000_000) == .ask)
        #expect(dog.check(now: 39_999_999) == .fine)
        #expect(dog.check(now: 40_000_000) == .stuck)
    }
}

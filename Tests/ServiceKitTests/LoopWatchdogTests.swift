import Testing

@testable import ServiceKit

@Suite struct LoopWatchdogTests {
    @Test func aLoopThatAnswersIsAskedNowAndThen() {
        let dog = LoopWatchdog(seconds: 30, now: 0)
        #expect(dog.deadline == 10_000_000)
        #expect(dog.check(now: 9_999_999) == .fine)
        #expect(dog.check(now: 10_000_000) == .ask)
        #expect(dog.check(now: 11_000_000) == .fine)
        #expect(dog.deadline == 20_000_000)
        dog.answer(now: 12_000_000)
        #expect(dog.deadline == 22_000_000)
        #expect(dog.check(now: 21_000_000) == .fine)
        #expect(dog.check(now: 22_000_000) == .ask)
    }

    @Test func whoWantsSignsOfLifeOftenHasThemWithinTwoIntervals() {
        let dog = LoopWatchdog(seconds: 18_000, interval: 500_000, now: 0)
        var answers: [Int64] = []
        var now: Int64 = 0
        while now < 10_000_000 {
            now = dog.deadline
            guard dog.check(now: now) == .ask else { continue }
            dog.answer(now: now + 1)
            answers.append(now)
        }
        #expect(zip(answers, answers.dropFirst()).allSatisfy { $1 - $0 <= 1_000_000 })
        #expect(answers.count >= 10)
    }

    @Test func aLoopThatDoesNotIsStuck() {
        let dog = LoopWatchdog(seconds: 30, now: 0)
        #expect(dog.check(now: 10_000_000) == .ask)
        #expect(dog.check(now: 20_000_000) == .fine)
        #expect(dog.deadline == 30_000_000)
        #expect(dog.check(now: 35_000_000) == .fine)
        #expect(dog.deadline == 40_000_000)
        #expect(dog.check(now: 39_999_999) == .fine)
        #expect(dog.check(now: 40_000_000) == .stuck)
    }
}

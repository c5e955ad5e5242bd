import MailModel
import NIOCore
import Testing

@testable import SMTPServer

@Suite struct KnownRecipientsTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    private func address(_ text: String) -> MailAddress { MailAddress(text) }

    @Test func onlyAcceptanceIsKept() {
        let matt = address("matt@receiver.test")
        let verdicts: [(RecipientVerdict, Bool)] = [
            (RecipientVerdict(.local, .known), true),
            (RecipientVerdict(.relay, .known), true),
            (RecipientVerdict(.local, .unknown(EnhancedStatusCode(5, 1, 1), "User unknown")), false),
            (RecipientVerdict(.local, .temporaryFailure("table")), false),
        ]
        for (verdict, isKept) in verdicts {
            var known = KnownRecipients()
            known.learn(verdict, on: matt, now: start)
            #expect((known.verdict(on: matt, now: start) != nil) == isKept, "\(verdict)")
        }
    }

    @Test func anAnswerIsGoodForASecondFromTheFirst() {
        let (matt, phil) = (address("matt@receiver.test"), address("phil@receiver.test"))
        var known = KnownRecipients()
        known.learn(RecipientVerdict(.local, .known), on: matt, now: start)
        known.learn(RecipientVerdict(.local, .known), on: phil, now: start + .milliseconds(900))
        #expect(known.verdict(on: matt, now: start + .milliseconds(999)) != nil)
        #expect(known.verdict(on: matt, now: start + .seconds(1)) == nil)
        #expect(known.verdict(on: phil, now: start + .seconds(1)) == nil)
        known.learn(RecipientVerdict(.local, .known), on: phil, now: start + .milliseconds(1100))
        #expect(known.verdict(on: phil, now: start + .milliseconds(2000)) != nil)
        #expect(known.verdict(on: matt, now: start + .milliseconds(2000)) == nil)
    }

    @Test func aClientThatGuessesFillsNoMemory() {
        var known = KnownRecipients()
        for number in 0..<1000 { known.learn(RecipientVerdict(.local, .known), on: address("u\(number)@receiver.test"), now: start) }
        let kept = (0..<1000).filter { known.verdict(on: address("u\($0)@receiver.test"), now: start) != nil }
        #expect(kept.count == KnownRecipients.limit)
    }
}

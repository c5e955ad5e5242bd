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

    @Test func aDomainWithoutAListIsAskedAboutOnce() {
        var known = KnownRecipients()
        known.learn(RecipientVerdict(.other, .known, isOfDomain: true), on: address("matt@far.test"), now: start)
        known.learn(RecipientVerdict(.relay, .known), on: address("matt@relay.test"), now: start)
        let cases: [(String, AddressClass?)] = [
            ("matt@far.test", .other), ("phil@far.test", .other), ("phil@sub.far.test", nil), ("phil", nil),
            // Refused for itself, whatever the domain: allow_min_user.
            ("-phil@far.test", nil), ("matt@relay.test", .relay), ("phil@relay.test", nil),
        ]
        for (recipient, expected) in cases {
            #expect(known.verdict(on: address(recipient), now: start)?.addressClass == expected, "\(recipient)")
        }
        #expect(known.verdict(on: MailAddress(localPart: [], domain: Array("far.test".utf8)), now: start) == nil)
        #expect(known.verdict(on: address("phil@far.test"), now: start + .seconds(1)) == nil)
    }

    @Test func domainsCountToo() {
        var known = KnownRecipients()
        for number in 0..<2500 {
            known.learn(RecipientVerdict(.other, .known, isOfDomain: true), on: address("matt@d\(number).test"), now: start)
        }
        let kept = (0..<2500).filter { known.verdict(on: address("phil@d\($0).test"), now: start) != nil }
        #expect(kept.count <= KnownRecipients.limit && kept.last == 2499)
    }

    @Test func aClientThatGuessesFillsNoMemory() {
        var known = KnownRecipients()
        for number in 0..<2500 { known.learn(RecipientVerdict(.local, .known), on: address("u\(number)@receiver.test"), now: start) }
        let kept = (0..<2500).filter { known.verdict(on: address("u\($0)@receiver.test"), now: start) != nil }
        #expect(kept.count <= KnownRecipients.limit && kept.last == 2499)
    }
}

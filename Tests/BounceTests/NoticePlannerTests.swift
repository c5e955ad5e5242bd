import DeliveryStatus
import MailIPC
import MailModel
import Testing

@testable import Bounce

@Suite struct NoticePlannerTests {
    private static func policy(_ classes: Set<String> = ["resource", "software"]) -> NoticePolicy {
        NoticePolicy(
            classes: classes, bounceRecipient: MailAddress("postmaster@sender.test"), doubleBounceRecipient: MailAddress("dbl@sender.test"),
            delayRecipient: MailAddress("slow@sender.test"), doubleBounceSender: MailAddress("double-bounce@sender.test"),
            ownDomains: [Array("sender.test".utf8), Array("mx.sender.test".utf8)])
    }

    private func plan(
        _ kind: BounceNotice.Kind, sender: String = "phil@sender.test", records: [BounceRecord], classes: Set<String> = ["resource"],
        isWaiting: (EnvelopeRecipient) -> Bool = { _ in true }
    ) -> NoticePlan {
        let notice = BounceNotice(
            kind: kind, queueID: QueueFixture.messageID, directory: "incoming",
            envelope: QueueFixture.envelope(sender: sender, recipients: []))
        return NoticePlanner.plan(notice, records: records, policy: Self.policy(classes), isWaiting: isWaiting)
    }

    @Test func aFailureIsToldToTheSender() {
        let result = plan(.failure, records: [QueueFixture.record()])
        #expect(result.reports.map(\.recipient) == [MailAddress("phil@sender.test")])
        #expect(result.reports.map(\.sender) == [.null] && result.reports[0].isRequired)
        #expect(result.reports[0].logWords == "sender non-delivery notification")
    }

    @Test(
        arguments: [
            ([], true), ([.failure], true), ([.success, .failure], true), ([.success], false), ([.delay], false), ([.never], false),
        ] as [(DSNNotify, Bool)])
    func notifyDecidesAboutFailures(notify: DSNNotify, isTold: Bool) {
        let result = plan(.failure, records: [QueueFixture.record(notify: notify), QueueFixture.record(to: "other@x", notify: [.never])])
        #expect(result.reports.map { $0.records.count } == (isTold ? [1] : []))
        #expect(result.remark.isEmpty == isTold)
    }

    @Test func aBounceOfABounceGoesToThePostmasterOnlyIfWanted() {
        let unwanted = plan(.failure, sender: "", records: [QueueFixture.record()])
        #expect(unwanted.reports.isEmpty && unwanted.remark.contains("2bounce"))
        let wanted = plan(.failure, sender: "", records: [QueueFixture.record()], classes: ["2bounce"])
        #expect(wanted.reports.map(\.recipient) == [MailAddress("dbl@sender.test")])
        #expect(wanted.reports.map(\.sender) == [MailAddress("double-bounce@sender.test")])
        #expect(wanted.reports[0].audience == .doubleBounce && wanted.reports[0].logWords == "postmaster non-delivery notification")
    }

    @Test(arguments: ["double-bounce@sender.test", "double-bounce@MX.sender.test", "double-bounce"])
    func aDoubleBounceIsNeverAnswered(sender: String) {
        let result = plan(.failure, sender: sender, records: [QueueFixture.record()], classes: ["2bounce", "bounce"])
        #expect(result.reports.isEmpty && result.warning == "undeliverable postmaster notification discarded")
        #expect(plan(.delay, sender: sender, records: [QueueFixture.record(.defer)], classes: ["delay"]).reports.isEmpty)
        // The same local-part elsewhere is an ordinary sender.
        #expect(plan(.failure, sender: "double-bounce@other.test", records: [QueueFixture.record()]).reports.count == 1)
    }

    @Test func copiesForThePostmasterAreNotRequired() {
        let result = plan(.failure, records: [QueueFixture.record()], classes: ["bounce"])
        #expect(result.reports.map(\.audience) == [.sender, .postmasterCopy])
        #expect(result.reports.map(\.isRequired) == [true, false])
        #expect(result.reports[1].sender == MailAddress("double-bounce@sender.test"))
        let slow = plan(.delay, records: [QueueFixture.record(.defer)], classes: ["delay"])
        #expect(slow.reports.map(\.recipient) == [MailAddress("phil@sender.test"), MailAddress("slow@sender.test")])
    }

    @Test func delaysConcernOnlyThoseWhoWait() {
        let records = ["a@x", "b@x", "c@x"].map { QueueFixture.record(.defer, to: $0, notify: $0 == "c@x" ? [.failure] : []) }
        let result = plan(.delay, records: records) { $0.address != MailAddress("a@x") }
        #expect(result.reports.map { $0.records.map(\.recipient.address) } == [[MailAddress("b@x")]])
        #expect(plan(.delay, sender: "", records: records).reports.isEmpty)
    }

    @Test func successIsToldOnRequestAndOnlyForWhatNobodyElseReports() {
        let records = [
            QueueFixture.record(.trace, to: "a@x", notify: [.success], action: .delivered, status: "2.0.0"),
            QueueFixture.record(.trace, to: "b@x", notify: [], action: .delivered, status: "2.0.0"),
            QueueFixture.record(.trace, to: "c@x", notify: [.success], action: .relayed, status: "2.0.0"),
            QueueFixture.record(.trace, to: "d@x", notify: [.success, .failure], action: .relayedWithoutDSN, status: "2.0.0"),
        ]
        let result = plan(.success, records: records)
        #expect(result.reports.map { $0.records.map(\.recipient.address) } == [[MailAddress("a@x"), MailAddress("d@x")]])
        #expect(result.reports[0].logWords == "sender delivery status notification")
        #expect(plan(.success, sender: "", records: records).reports.isEmpty)
    }

    @Test func manyRecipientsMakeSeveralReports() {
        let result = plan(.failure, records: (0..<2500).map { QueueFixture.record(to: "u\($0)@x") })
        #expect(result.reports.map { $0.records.count } == [1000, 1000, 500])
        #expect(plan(.failure, records: []) == NoticePlan())
    }
}

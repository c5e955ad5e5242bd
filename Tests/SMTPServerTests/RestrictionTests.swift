import MailModel
import SMTPProtocol
import Testing

@testable import SMTPServer

private func request(
    _ recipient: String = "r@ours.example", sender: String = "s@x.example", addressClass: AddressClass = .local, trusted: Bool = false
) -> RestrictionRequest {
    RestrictionRequest(
        client: ClientIdentity(name: "c.example", address: "192.0.2.1", port: 1), isInMyNetworks: trusted, helo: "h",
        sender: MailAddress(sender), recipient: MailAddress(recipient), verdict: RecipientVerdict(addressClass, .known))
}

private func decide(_ words: String, _ request: RestrictionRequest, _ stage: RestrictionStage = .recipient) -> String {
    let list = Restriction.parse(words.split(separator: " ").map(String.init))
    switch RestrictionEvaluator().evaluate(list, stage: stage, request: request, warn: { _ in }) {
    case .pass: return "pass"
    case .refuse(let reply): return reply.description
    }
}

@Suite struct RestrictionTests {
    static let cases: [(String, RestrictionRequest, RestrictionStage, String)] = [
        ("permit_mynetworks reject_unauth_destination", request(), .relay, "pass"),
        (
            "permit_mynetworks reject_unauth_destination", request(addressClass: .other), .relay,
            "554 5.7.1 <r@ours.example>: Relay access denied"
        ),
        ("permit_mynetworks reject_unauth_destination", request(addressClass: .other, trusted: true), .relay, "pass"),
        (
            "permit_sasl_authenticated defer_unauth_destination", request(addressClass: .other), .relay,
            "454 4.7.1 <r@ours.example>: Relay access denied"
        ),
        ("permit_auth_destination reject", request(addressClass: .relay), .recipient, "pass"),
        (
            "permit_auth_destination reject", request(addressClass: .other), .recipient,
            "554 5.7.1 <r@ours.example>: Recipient address rejected: Access denied"
        ),
        ("warn_if_reject reject permit", request(), .recipient, "pass"),
        ("warn_if_reject reject reject", request(), .client, "554 5.7.1 <c.example[192.0.2.1]>: Client host rejected: Access denied"),
        ("defer", request(), .recipient, "450 4.3.2 <r@ours.example>: Recipient address rejected: Try again later"),
        ("reject_non_fqdn_sender", request(sender: "s"), .sender, "504 5.5.2 <s>: Sender address rejected: need fully-qualified address"),
        ("reject_non_fqdn_sender", request(sender: ""), .sender, "pass"),
        ("reject_non_fqdn_recipient", request("postmaster"), .recipient, "pass"),
        (
            "reject_non_fqdn_recipient", request("r@x"), .recipient,
            "504 5.5.2 <r@x>: Recipient address rejected: need fully-qualified address"
        ),
        ("reject_non_fqdn_helo_hostname", request(), .helo, "504 5.5.2 <h>: Helo command rejected: need fully-qualified hostname"),
        ("no_such_word permit", request(), .recipient, "451 4.3.5 Server configuration error"),
        ("check_client_access static:REJECT", request(), .client, "554 5.7.1 <c.example[192.0.2.1]>: Client host rejected: Access denied"),
        (
            "check_sender_access inline:{x.example=DEFER}", request(), .sender,
            "450 4.7.1 <s@x.example>: Sender address rejected: Access denied"
        ),
        ("check_recipient_access inline:{r@=OK} reject", request(), .recipient, "pass"),
        (
            "check_client_access inline:{192.0.2=DUNNO} reject", request(), .client,
            "554 5.7.1 <c.example[192.0.2.1]>: Client host rejected: Access denied"
        ),
        ("check_client_access inline:{.example=no_such} permit", request(), .client, "451 4.3.5 Server configuration error"),
        (
            "check_recipient_access texthash:/nonexistent/martlet permit", request(), .recipient,
            "451 4.3.0 <r@ours.example>: Recipient address rejected: Temporary lookup failure"
        ),
    ]

    @Test(arguments: cases) func decides(_ words: String, _ request: RestrictionRequest, _ stage: RestrictionStage, _ expected: String) {
        #expect(decide(words, request, stage) == expected)
    }

    @Test func anActionMayCarryItsReply() {
        let list = [Restriction.check(.client, Fixed("550 5.7.25 no thanks"), name: "fixed")]
        let decision = RestrictionEvaluator().evaluate(list, stage: .client, request: request(), warn: { _ in })
        #expect(
            decision == .refuse(SMTPReply(550, EnhancedStatusCode(5, 7, 25), "<c.example[192.0.2.1]>: Client host rejected: no thanks")))
    }

    @Test func withoutAVerdictRelayingIsDeferred() {
        var unknown = request()
        unknown.verdict = nil
        #expect(decide("reject_unauth_destination", unknown, .relay) == "451 4.3.0 <r@ours.example>: Temporary lookup failure")
    }

    @Test func connectionsAreCountedByAddress() {
        var counter = ConnectionCounter()
        #expect(counter.enter("a") == 1 && counter.enter("a") == 2 && counter.enter("b") == 1 && counter.total == 3)
        counter.leave("a")
        #expect(counter.enter("a") == 2)
        counter.leave("b")
        counter.leave("b")
        #expect(counter.total == 1)
    }
}

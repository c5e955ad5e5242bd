// Dialogues of the client with scripted peers: what it says, and what each recipient gets.

import MailModel
import SMTPProtocol
import Testing

@Suite struct ClientSessionTests {
    static let everything = "250-mx.example\r\n250-SIZE 1000000\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250 CHUNKING"
    static let lost = "4.4.2 lost connection with mx.example[192.0.2.1] while "

    @Test func oneMessageWithoutExtensions() {
        var dialogue = ClientDialogue(clientOptions())
        let verdicts = dialogue.deliver(clientTransaction())
        #expect(dialogue.said == ["EHLO sender.example", "MAIL FROM:<s@sender.example>", "RCPT TO:<r@example>", "DATA", "<content>"])
        #expect(dialogue.batches == [1, 1, 1, 1])
        #expect(verdicts.map(describe) == ["accepted 250 2.0.0 Ok: queued as ABC"])
        #expect(dialogue.session.isReusable)
    }

    @Test func pipelinedInOneWrite() {
        var dialogue = ClientDialogue(clientOptions(), ehlo: Self.everything)
        let verdicts = dialogue.deliver(clientTransaction(["a@example", "b@example"]))
        #expect(dialogue.batches == [1, 4])
        #expect(
            dialogue.said[1...] == [
                "MAIL FROM:<s@sender.example> SIZE=100", "RCPT TO:<a@example> ORCPT=rfc822;a@example",
                "RCPT TO:<b@example> ORCPT=rfc822;b@example", "DATA", "<content>",
            ])
        #expect(verdicts.count == 2)
    }

    @Test func theWindowBoundsWhatIsSentAhead() {
        var dialogue = ClientDialogue(clientOptions { $0.pipelineWindow = 200 }, ehlo: Self.everything)
        let recipients = (0..<100).map { "recipient-number-\($0)@example" }
        let verdicts = dialogue.deliver(clientTransaction(recipients))
        #expect(verdicts.allSatisfy { if case .accepted = $0 { true } else { false } })
        #expect(dialogue.batches.count > 20)
        #expect(dialogue.said.filter { $0.hasPrefix("RCPT") }.count == 100)
    }

    @Test func secondTransactionOnTheSameSession() {
        var dialogue = ClientDialogue(clientOptions(), ehlo: Self.everything)
        _ = dialogue.deliver(clientTransaction(["a@example"]))
        let verdicts = dialogue.deliver(clientTransaction(["b@example"]))
        #expect(verdicts.map(describe) == ["accepted 250 2.0.0 Ok: queued as ABC"])
        #expect(!dialogue.said.contains("RSET"))
        #expect(dialogue.session.transactionCount == 2)
    }

    @Test func resetAfterATransactionWithoutData() {
        var dialogue = ClientDialogue(
            clientOptions(), ehlo: Self.everything, replies: ["RCPT": ["550 5.1.1 no", "250 ok"], "DATA": ["503 no", "354 go"]])
        let first = dialogue.deliver(clientTransaction(["a@example"]))
        #expect(first.map(describe) == ["5.1.1 host mx.example[192.0.2.1] said: 550 5.1.1 no (in reply to RCPT TO command)"])
        let second = dialogue.deliver(clientTransaction(["b@example"]))
        #expect(dialogue.said.filter { $0 == "RSET" }.count == 1)
        #expect(second.map(describe) == ["accepted 250 2.0.0 Ok: queued as ABC"])
    }

    /// Peer replies, and what each of two recipients gets.
    static let replyTable: [(name: String, ehlo: String, replies: [String: [String]], verdicts: [String])] = [
        (
            "MAIL refused for good", everything, ["MAIL": ["550 5.7.1 go away"], "RCPT": ["503 5.5.1 no"], "DATA": ["503 5.5.1 no"]],
            Array(repeating: "5.7.1 host mx.example[192.0.2.1] said: 550 5.7.1 go away (in reply to MAIL FROM command)", count: 2)
        ),
        (
            "MAIL refused for now, no pipelining", "250 mx.example", ["MAIL": ["451 later"]],
            Array(repeating: "4.0.0 host mx.example[192.0.2.1] said: 451 later (in reply to MAIL FROM command)", count: 2)
        ),
        (
            "one of two unknown", everything, ["RCPT": ["550 5.1.1 unknown", "250 ok"]],
            [
                "5.1.1 host mx.example[192.0.2.1] said: 550 5.1.1 unknown (in reply to RCPT TO command)",
                "accepted 250 2.0.0 Ok: queued as ABC",
            ]
        ),
        (
            "one of two greylisted", "250 mx.example", ["RCPT": ["250 ok", "450 4.7.1 greylisted"]],
            [
                "accepted 250 2.0.0 Ok: queued as ABC",
                "4.7.1 host mx.example[192.0.2.1] said: 450 4.7.1 greylisted (in reply to RCPT TO command)",
            ]
        ),
        // Kumo: 552 to RCPT is temporary.
        (
            "552 is too many recipients", everything, ["RCPT": ["250 ok", "552 too many recipients"]],
            [
                "accepted 250 2.0.0 Ok: queued as ABC",
                "4.5.3 host mx.example[192.0.2.1] said: 552 too many recipients (in reply to RCPT TO command)",
            ]
        ),
        (
            "552 with a code of its own is what it says", everything, ["RCPT": ["552 5.2.2 mailbox full", "250 ok"]],
            [
                "5.2.2 host mx.example[192.0.2.1] said: 552 5.2.2 mailbox full (in reply to RCPT TO command)",
                "accepted 250 2.0.0 Ok: queued as ABC",
            ]
        ),
        (
            "all refused, DATA accepted all the same", everything,
            ["RCPT": ["550 5.1.1 unknown"], "DATA": ["354 go"], ".": ["554 no valid recipients"]],
            Array(repeating: "5.1.1 host mx.example[192.0.2.1] said: 550 5.1.1 unknown (in reply to RCPT TO command)", count: 2)
        ),
        (
            "DATA refused", everything, ["DATA": ["451 4.3.0 not now"]],
            Array(repeating: "4.3.0 host mx.example[192.0.2.1] said: 451 4.3.0 not now (in reply to DATA command)", count: 2)
        ),
        (
            "refused at the end of data", everything, [".": ["554 5.7.1 spam"]],
            Array(repeating: "5.7.1 host mx.example[192.0.2.1] said: 554 5.7.1 spam (in reply to end of DATA command)", count: 2)
        ),
        (
            "several lines", everything, [".": ["554-5.7.1 spam\r\n554 5.7.1 really"]],
            Array(
                repeating: "5.7.1 host mx.example[192.0.2.1] said: 554-5.7.1 spam 554 5.7.1 really (in reply to end of DATA command)",
                count: 2)
        ),
        (
            "a class that does not fit is ignored", everything, [".": ["554 2.0.0 spam"]],
            Array(repeating: "5.0.0 host mx.example[192.0.2.1] said: 554 2.0.0 spam (in reply to end of DATA command)", count: 2)
        ),
        (
            "250 for DATA", everything, ["DATA": ["250 ok"]],
            Array(repeating: "5.5.0 Protocol error: host mx.example[192.0.2.1] said: 250 ok (in reply to DATA command)", count: 2)
        ),
        (
            "garbage", everything, [".": ["ok, thanks"]],
            Array(
                repeating:
                    "4.5.0 malformed response from mx.example[192.0.2.1] while sending end of data -- message may be sent more than once: "
                    + "ok, thanks", count: 2)
        ),
    ]

    @Test(arguments: replyTable.indices) func repliesAreClassified(_ index: Int) {
        let (name, ehlo, replies, expected) = Self.replyTable[index]
        var dialogue = ClientDialogue(clientOptions(), ehlo: ehlo, replies: replies)
        let verdicts = dialogue.deliver(clientTransaction(["a@example", "b@example"]))
        #expect(verdicts.map(describe) == expected, "\(name)")
    }

    @Test func anEmptyMessageEndsDataThatNobodyWants() {
        var dialogue = ClientDialogue(clientOptions(), ehlo: Self.everything, replies: ["RCPT": ["550 no"]])
        _ = dialogue.deliver(clientTransaction())
        #expect(dialogue.said.last == ".")
        #expect(!dialogue.said.contains("<content>"))
    }

    @Test(arguments: [
        ("MAIL", "sending MAIL FROM"), ("RCPT", "sending RCPT TO"), ("DATA", "sending DATA command"),
        (".", "sending end of data -- message may be sent more than once"),
    ])
    func lostConnections(_ command: String, _ activity: String) {
        for ehlo in ["250 mx.example", Self.everything] {
            var dialogue = ClientDialogue(clientOptions(), ehlo: ehlo, cutAfterCommand: command)
            let verdicts = dialogue.deliver(clientTransaction(["a@example", "b@example"]))
            #expect(verdicts.map(describe) == [Self.lost + activity, Self.lost + activity])
            #expect(dialogue.session.failure?.scope == .host)
        }
    }

    @Test func aTimeoutDefers() {
        var dialogue = ClientDialogue(clientOptions(), replies: [".": []], timesOutAfterCommand: ".")
        let verdicts = dialogue.deliver(clientTransaction())
        #expect(
            verdicts.map(describe) == [
                "4.4.2 conversation with mx.example[192.0.2.1] timed out while sending end of data -- message may be sent more than once"
            ])
    }

    @Test func aKeptConnectionThatWasClosedMayBeReplacedUnnoticed() {
        var dialogue = ClientDialogue(clientOptions(), ehlo: Self.everything)
        _ = dialogue.deliver(clientTransaction(["a@example"]))
        dialogue.cutAfterCommand = "MAIL"
        _ = dialogue.deliver(clientTransaction(["b@example"]))
        #expect(dialogue.session.failedBeforeAnyReply)

        var later = ClientDialogue(clientOptions(), ehlo: Self.everything, cutAfterCommand: "RCPT")
        _ = later.deliver(clientTransaction(["a@example"]))
        #expect(!later.session.failedBeforeAnyReply)
    }

    // MARK: LMTP

    @Test func lmtpAnswersForEachRecipient() {
        var dialogue = ClientDialogue(
            clientOptions { $0.isLMTP = true }, greeting: "220 lmtp LMTP", ehlo: Self.everything,
            replies: ["RCPT": ["250 ok", "550 5.1.1 unknown", "250 ok"], ".": ["250 2.0.0 a saved", "452 4.2.2 full"]])
        dialogue.lmtpReplies = 2
        let verdicts = dialogue.deliver(clientTransaction(["a@example", "b@example", "c@example"]))
        #expect(dialogue.said.first == "LHLO sender.example")
        #expect(
            verdicts.map(describe) == [
                "accepted 250 2.0.0 a saved", "5.1.1 host mx.example[192.0.2.1] said: 550 5.1.1 unknown (in reply to RCPT TO command)",
                "4.2.2 host mx.example[192.0.2.1] said: 452 4.2.2 full (in reply to end of DATA command)",
            ])
    }

    @Test func lmtpThatStopsHalfWayDefersTheRest() {
        var dialogue = ClientDialogue(clientOptions { $0.isLMTP = true }, ehlo: Self.everything)
        dialogue.lmtpReplies = 1
        let verdicts = dialogue.deliver(clientTransaction(["a@example", "b@example"]))
        #expect(describe(verdicts[0]) == "accepted 250 2.0.0 Ok: queued as ABC")
        #expect(describe(verdicts[1]).hasPrefix(Self.lost + "sending end of data"))
    }

    // MARK: BDAT

    @Test func chunksInsteadOfData() {
        var dialogue = ClientDialogue(clientOptions(), ehlo: Self.everything)
        var transaction = clientTransaction(["a@example"])
        transaction.usesChunking = true
        let verdicts = dialogue.deliver(transaction)
        #expect(!dialogue.said.contains("DATA"))
        #expect(dialogue.said.last == "<chunk>")
        #expect(verdicts.map(describe) == ["accepted 250 2.0.0 chunk"])
    }

    // MARK: bad envelopes

    @Test func addressesCannotForgeCommands() {
        var dialogue = ClientDialogue(clientOptions(), ehlo: Self.everything)
        let verdicts = dialogue.deliver(clientTransaction(["a\r\nRCPT TO:<evil@example>@example", "b@example"]))
        #expect(verdicts.map(describe) == ["5.1.3 bad address syntax", "accepted 250 2.0.0 Ok: queued as ABC"])
        #expect(!dialogue.said.contains { $0.contains("evil") })
    }

    @Test func noRecipientAtAllIsNoCrash() {
        var dialogue = ClientDialogue(clientOptions(), ehlo: Self.everything)
        #expect(dialogue.deliver(clientTransaction([])).isEmpty)
    }
}

import MailIPC
import MailModel
import Testing

@testable import Submission

@Suite struct QueueListingTests {
    private func entry(_ place: QueueEntry.Place, sender: String, recipients: [QueueEntry.Recipient]) throws -> QueueEntry {
        QueueEntry(
            queueID: try #require(QueueID("4jYJLY11QbzBJR")), place: place, arrival: 1_700_000_000_500_000, nextAttempt: 0, size: 2049,
            sender: MailAddress(sender), recipients: recipients)
    }

    private func recipient(_ address: String, original: String? = nil, reason: String = "") -> QueueEntry.Recipient {
        QueueEntry.Recipient(address: MailAddress(address), originalAddress: original.map { MailAddress($0) }, delayReason: reason)
    }

    private func date(_ time: Int64) -> String { LocalDate.text(seconds: time / 1_000_000, offset: 0) }

    @Test func deferred() throws {
        let entry = try entry(
            .deferred, sender: "bob@x",
            recipients: [recipient("a@y", reason: "connection refused"), recipient("b@y", reason: "connection refused"), recipient("c@z")])
        let reason = String(repeating: " ", count: 76 - 18) + "(connection refused)"
        let indent = String(repeating: " ", count: 47)
        #expect(
            QueueListing.text(entry, date: date) == """
                4jYJLY11QbzBJR        2049 Tue Nov 14 22:13:20 bob@x
                \(reason)
                \(indent)a@y
                \(indent)b@y
                \(indent)c@z


                """)
    }

    @Test(arguments: [(QueueEntry.Place.active, "4jYJLY11QbzBJR* "), (.hold, "4jYJLY11QbzBJR! "), (.incoming, "4jYJLY11QbzBJR  ")])
    func marks(_ place: QueueEntry.Place, _ start: String) throws {
        #expect(QueueListing.text(try entry(place, sender: "", recipients: []), date: date).hasPrefix(start))
        #expect(QueueListing.text(try entry(place, sender: "", recipients: []), date: date).contains(" MAILER-DAEMON\n"))
    }

    /// What a server said, and what a terminal would obey, C1 controls among it.
    @Test(arguments: ["\u{1B}[2J", "\u{9B}31m", "\u{90}q", "\u{7F}", "a\nb\r"]) func nothingControlsTheTerminal(text: String) throws {
        let entry = try entry(.deferred, sender: "s\(text)@x", recipients: [recipient("r\(text)@y", original: "o\(text)@z", reason: text)])
        for out in [QueueListing.text(entry, date: date), QueueListing.json(entry)] {
            let controls = out.unicodeScalars.filter { $0 != "\n" && ($0.value < 0x20 || (0x7F...0x9F).contains($0.value)) }
            #expect(controls.isEmpty, "\(out)")
        }
        #expect(!QueueListing.json(entry).contains("\n"))
    }

    @Test func trailer() {
        #expect(QueueListing.trailer(bytes: 2049, count: 1) == "-- 2 Kbytes in 1 Request.")
        #expect(QueueListing.trailer(bytes: 0, count: 2) == "-- 0 Kbytes in 2 Requests.")
    }

    @Test func json() throws {
        let entry = try entry(.hold, sender: "a\"b@x", recipients: [recipient("a@y", original: "o@y", reason: "say \"no\"\u{1}")])
        #expect(
            QueueListing.json(entry)
                == #"{"queue_name": "hold", "queue_id": "4jYJLY11QbzBJR", "arrival_time": 1700000000, "message_size": 2049, "#
                + #""forced_expire": false, "sender": "\"a\\\"b\"@x", "recipients": [{"orig_address": "o@y", "address": "a@y", "#
                + #""delay_reason": "say \"no\"\u0001"}]}"#)
    }

    @Test(arguments: [
        (0, "Thu Jan  1 00:00:00"), (951_782_400, "Tue Feb 29 00:00:00"), (1_795_467_475, "Mon Nov 23 20:57:55"),
        (-1, "Wed Dec 31 23:59:59"),
    ])
    func dates(_ seconds: Int64, _ text: String) { #expect(LocalDate.text(seconds: seconds, offset: 0) == text) }
}

@Suite struct PostqueueOptionsTests {
    @Test func actions() throws {
        func action(_ words: String...) throws -> PostqueueProgram.Action {
            try PostqueueProgram.parse(words.map { Array($0.utf8) }).action
        }
        #expect(try action("-p") == .list)
        #expect(try action("-j") == .listJSON)
        #expect(try action("-f") == .flush(.all))
        #expect(try action("-s", "example.org") == .flush(.site("example.org")))
        #expect(try action("-iC73A015C095") == .flush(.message(try #require(QueueID("C73A015C095")))))
    }

    @Test(arguments: [[], ["-p", "-f"], ["-i", "../x"], ["-s", "a b"], ["-s", "a\nb"], ["-p", "x"], ["-z"]]) func usage(_ words: [String]) {
        #expect { try PostqueueProgram.parse(words.map { Array($0.utf8) }) } throws: { ($0 as? CommandFailure)?.status == .usage }
    }
}

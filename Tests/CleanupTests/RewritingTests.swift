// What becomes of header and envelope on the way into the queue: copies, canonical addresses, masquerading, headers of strangers.

import MailModel
import ServiceKit
import Testing

@testable import Cleanup

@ServiceActor
@Suite(.timeLimit(.minutes(1)))
struct RewritingTests {
    private func header(_ settings: String, _ text: String, origin: MessageOrigin = .localSMTP) async throws -> [String] {
        let queue = try QueueFixture(settings)
        let id = try await queue.queue(envelope("r@far.test", origin: origin), text + "Message-Id: <m>\r\nDate: d\r\n\r\n")
        return try queue.content(id).split(separator: "\r\n").map(String.init).filter { line in
            !["Received:", "Message-Id:", "Date:", "\t"].contains { line.hasPrefix($0) }
        }
    }

    @Test func copiesAreMadeOnceAndQuietly() async throws {
        let queue = try QueueFixture(
            """
            always_bcc = archive
            sender_bcc_maps = inline:{ @far.test=far-log@example.org }
            recipient_bcc_maps = inline:{ {matt@example.org = matt-copy@far.test}, {phil@example.org = archive@example.org} }
            """)
        let id = try await queue.queue(envelope("matt@example.org", "phil@example.org"), "From: a@b\r\n\r\n")
        let recipients = try queue.envelope(id).recipients
        #expect(
            recipients.map(\.address.logForm) == [
                "matt@example.org", "matt-copy@far.test", "phil@example.org", "archive@example.org", "far-log@example.org",
            ])
        #expect(recipients.map { $0.notify.contains(.never) } == [false, true, false, true, true])
        // RFC 3461: nobody is told of them, and what was forwarded once is not copied again.
        let forwarded = try await queue.queue(envelope("matt@example.org", origin: .forward), "From: a@b\r\n\r\n")
        #expect(try queue.envelope(forwarded).recipients.map(\.address.logForm) == ["matt@example.org"])
    }

    @Test func aHeaderThatIsCutIsSaidOnce() async throws {
        let queue = try QueueFixture("header_size_limit = 2000")
        let long = { (name: String, count: Int) in "\(name): \(String(repeating: "y", count: count))\r\n" }
        let whole = try await queue.queue(envelope("r@far.test"), long("Short", 1900) + long("Short", 1900) + "\r\nbody\r\n")
        #expect(!queue.log.contains("longer"), "\(queue.log)")
        let id = try await queue.queue(envelope("r@far.test"), long("Long", 5000) + long("Longer", 6000) + "A: b\r\n\r\nbody\r\n")
        let text = try queue.content(id)
        #expect(text.contains("\r\nA: b\r\n") && text.hasSuffix("\r\n\r\nbody\r\n"))
        #expect(text.utf8.count < 5000)
        #expect(try queue.content(whole).utf8.count > 3800)
        let lines = queue.log.split(separator: "\n").filter { $0.contains("longer") }
        #expect(lines.count == 1)
        #expect(lines.allSatisfy { $0.hasSuffix("warning: \(id): header longer than header_size_limit (2000 bytes) cut") }, "\(lines)")
    }

    @Test func canonicalAddressesInTheEnvelope() async throws {
        let queue = try QueueFixture(
            """
            sender_canonical_maps = inline:{ {s@far.test = First.Last@far.test} }
            recipient_canonical_maps = inline:{ {old@example.org = newer@example.org}, {newer@example.org = new@example.org} }
            canonical_maps = inline:{ {@ancient.test = @example.org} }
            """)
        let id = try await queue.queue(envelope("old@example.org", "joe+x@ancient.test"), "From: a@b\r\n\r\n")
        let stored = try queue.envelope(id)
        #expect(stored.sender == MailAddress("First.Last@far.test"))
        #expect(stored.recipients.map(\.address.logForm) == ["new@example.org", "joe+x@example.org"])
        #expect(stored.recipients.first?.originalAddress == MailAddress("old@example.org"))
    }

    @Test func aCircleIsRefusedForNow() async throws {
        let queue = try QueueFixture("canonical_maps = inline:{ {a@far.test = b@far.test}, {b@far.test = a@far.test} }")
        #expect(try await queue.refusal(envelope("a@far.test"), "From: x@y\r\n\r\n").hasPrefix("451 4."))
    }

    nonisolated static let headers: [(String, String, String)] = [
        ("", "From: phil", "From: phil@example.org"),
        (
            "canonical_maps = inline:{ {phil@example.org = Phil.Collins@example.org} }", "From: \"P\" <phil> (x)",
            "From: \"P\" <Phil.Collins@example.org> (x)"
        ),
        (
            "canonical_maps = inline:{ {phil@example.org = \"p c\"@example.org} }", "To: a@b, phil@example.org",
            "To: a@b, \"p c\"@example.org"
        ),
        ("sender_canonical_maps = inline:{ {phil@example.org = x@y} }", "To: phil@example.org", "To: phil@example.org"),
        ("sender_canonical_maps = inline:{ {phil@example.org = x@y} }", "Reply-To: phil@example.org", "Reply-To: x@y"),
        ("recipient_canonical_maps = inline:{ {phil@example.org = x@y} }", "Cc: phil@example.org", "Cc: x@y"),
        ("canonical_maps = inline:{ {phil@example.org = x@y} }\ncanonical_classes = envelope_sender", "To: phil", "To: phil@example.org"),
        ("masquerade_domains = example.org", "From: phil@host.sub.example.org", "From: phil@example.org"),
        ("masquerade_domains = !sub.example.org example.org", "From: phil@host.sub.example.org", "From: phil@host.sub.example.org"),
        (
            "masquerade_domains = example.org\nmasquerade_exceptions = root", "To: root@h.example.org, a@h.example.org",
            "To: root@h.example.org, a@example.org"
        ),
        ("masquerade_domains = example.org", "To: a@notexample.org", "To: a@notexample.org"),
        ("masquerade_domains = example.org\nmasquerade_classes = envelope_sender", "To: a@h.example.org", "To: a@h.example.org"),
    ]

    @Test(arguments: headers) func headersOfOurOwn(_ settings: String, _ field: String, _ expected: String) async throws {
        let lines = try await header(settings, field.hasPrefix("From:") ? field + "\r\n" : "From: o@o\r\n" + field + "\r\n")
        #expect(lines.last == expected)
    }

    @Test func headersOfStrangers() async throws {
        let map = "canonical_maps = inline:{ {a@example.org = x@y} }\n"
        #expect(try await header(map, "From: a@example.org, b\r\n", origin: .remoteSMTP) == ["From: a@example.org, b"])
        let rewriting = map + "remote_header_rewrite_domain = domain.invalid"
        #expect(try await header(rewriting, "From: a@example.org, b\r\n", origin: .remoteSMTP) == ["From: x@y, b@domain.invalid"])
        #expect(try await header("always_add_missing_headers = yes", "To: x\r\n", origin: .remoteSMTP) == ["To: x", "From: s@far.test"])
    }

    @Test func aMissingFromIsTheCanonicalOne() async throws {
        let lines = try await header("canonical_maps = inline:{ {s@far.test = who@example.org} }", "Subject: x\r\n")
        #expect(lines == ["Subject: x", "From: who@example.org"])
    }

    @Test func theOriginalRecipientIsForgottenWhereThatIsWanted() async throws {
        let queue = try QueueFixture("enable_original_recipient = no\ncanonical_maps = inline:{ {old@far.test = new@far.test} }")
        let id = try await queue.queue(envelope("old@far.test"), "From: a@b\r\n\r\n")
        #expect(try queue.envelope(id).recipients.map(\.originalAddress) == [nil])
    }
}

import AddressRouting
import MailModel
import Testing

@Suite struct VerifyTests {
    private func describe(_ verdict: RecipientVerdict) -> String {
        switch verdict.existence {
        case .known: "\(verdict.addressClass) known"
        case .unknown(let status, let text): "\(verdict.addressClass) \(status) \(text)"
        case .temporaryFailure(let text): "\(verdict.addressClass) later: \(text)"
        }
    }

    @Test(arguments: [
        ("matt@example.org", "local known"), ("MATT@Example.Org", "local known"), ("matt", "local known"),
        ("matt+folder@example.org", "local known"), ("exact+tag@example.org", "local known"),
        ("exact@example.org", "local 5.1.1 User unknown in local recipient table"),
        ("ghost@example.org", "local 5.1.1 User unknown in local recipient table"),
        ("ghost+matt@example.org", "local 5.1.1 User unknown in local recipient table"),
        ("ghost@[192.0.2.10]", "local 5.1.1 User unknown in local recipient table"), ("matt@[127.0.0.1]", "local known"),
        ("matt@localhost", "local known"),
        ("postmaster", "local known"), ("PostMaster@example.org", "local known"), ("MAILER-DAEMON@example.org", "local known"),
        ("double-bounce@example.org", "local known"), ("postmaster2@example.org", "local 5.1.1 User unknown in local recipient table"),
        ("", "local known"),
        ("info@alias.test", "virtualAlias known"), ("sales+anything@alias.test", "virtualAlias known"),
        ("ghost@alias.test", "virtualAlias 5.1.1 User unknown in virtual alias table"), ("x@catch.test", "other known"),
        ("webmaster@example.org", "local known"),
        ("joe@boxes.test", "virtualMailbox known"), ("joe+folder@boxes.test", "virtualMailbox known"),
        ("ghost@boxes.test", "virtualMailbox 5.1.1 User unknown in virtual mailbox table"),
        ("known@relay.test", "relay known"), ("ghost@relay.test", "relay 5.1.1 User unknown in relay recipient table"),
        ("anybody@sub.relay.test", "relay known"),
        ("x@far.test", "other known"), ("x@gone.test", "other 5.7.1 no mail for this domain"), ("x@later.test", "other later: not now"),
        ("x@void.test", "other known"), ("x@a..b", "other 5.1.3 bad address syntax"),
    ])
    func verdicts(recipient: String, expected: String) throws {
        #expect(describe(try router().verify(recipient: MailAddress(recipient))) == expected)
    }

    @Test(arguments: [
        ("local_recipient_maps =", "ghost@example.org", "local known"),
        ("virtual_mailbox_maps =", "ghost@boxes.test", "virtualMailbox known"),
        ("relay_recipient_maps =", "ghost@relay.test", "relay known"),
        ("local_recipient_maps = fail:x", "matt@example.org", "local later: Temporary lookup failure"),
        ("local_recipient_maps = fail:x", "postmaster@example.org", "local known"),
        ("local_recipient_maps = inline:{matt=x} fail:x", "matt@example.org", "local later: Temporary lookup failure"),
        ("virtual_alias_maps = fail:x", "matt@example.org", "local later: Temporary lookup failure"),
        ("virtual_mailbox_maps = fail:x", "joe@boxes.test", "virtualMailbox later: Temporary lookup failure"),
        ("relay_recipient_maps = fail:x", "known@relay.test", "relay later: Temporary lookup failure"),
        ("transport_maps = fail:x", "known@relay.test", "relay later: address resolver failure"),
        ("mydestination = fail:x", "matt@example.org", "other later: Temporary lookup failure"),
        // A pattern is matched against whole addresses only.
        ("local_recipient_maps = regexp:{ {/^matt@/ x} }", "matt@example.org", "local known"),
        ("local_recipient_maps = regexp:{ {/^matt$$/ x} }", "matt@example.org", "local 5.1.1 User unknown in local recipient table"),
    ])
    func parameters(lines: String, recipient: String, expected: String) throws {
        #expect(describe(try router(lines).verify(recipient: MailAddress(recipient))) == expected)
    }

    @Test(arguments: [
        ("transport_maps =", "x@far.test", true), ("transport_maps =", "x@a..b", false), ("transport_maps =", "-x@far.test", false),
        ("", "x@far.test", false), ("transport_maps =", "known@relay.test", false), ("transport_maps =", "matt@example.org", false),
        ("transport_maps =\nrelay_recipient_maps =", "x@relay.test", true), ("relay_recipient_maps =", "x@relay.test", false),
        ("transport_maps =\nlocal_recipient_maps =", "x@example.org", false),
        ("transport_maps =\ndefault_transport = error:5.7.1 closed", "x@far.test", false),
    ])
    func whetherTheDomainDecides(lines: String, recipient: String, expected: Bool) throws {
        #expect(try router(lines).verify(recipient: MailAddress(recipient)).isOfDomain == expected)
    }
}

import AddressRouting
import MailModel
import Synchronization
import Testing

@Suite struct ResolveTests {
    @Test(arguments: [
        // local
        ("matt@example.org", "local local mail.example.org matt@example.org"),
        ("matt@EXAMPLE.org", "local local mail.example.org matt@EXAMPLE.org"),
        ("matt", "local local mail.example.org matt@example.org"),
        ("matt@", "local local mail.example.org matt@example.org"),
        ("matt@example.org.", "local local mail.example.org matt@example.org"),
        ("matt@localhost", "local local mail.example.org matt@localhost"),
        ("nobody@example.org", "local local mail.example.org nobody@example.org"),
        ("postmaster", "local local mail.example.org postmaster@example.org"),
        ("", "local local mail.example.org MAILER-DAEMON@example.org"),
        ("matt@[192.0.2.10]", "local local mail.example.org matt@[192.0.2.10]"),
        ("matt@[IPv6:2001:DB8:0::10]", "local local mail.example.org matt@[IPv6:2001:DB8:0::10]"),
        ("matt@[198.51.100.7]", "local local mail.example.org matt@[198.51.100.7]"),
        ("outbound@example.org", "local smtp [x]:26 outbound@example.org"),
        // not local: subdomains of mydestination, other literals
        ("matt@sub.example.org", "other smtp sub.example.org matt@sub.example.org"),
        ("matt@[192.0.2.11]", "other smtp [192.0.2.11] matt@[192.0.2.11]"),
        // virtual alias domains: only what has no alias gets here; a transport table does not change that
        ("ghost@alias.test", "5.1.1 User unknown in virtual alias table"),
        ("ghost@sub.alias.test", "other smtp sub.alias.test ghost@sub.alias.test"),
        // virtual mailboxes, relay
        ("joe@boxes.test", "virtualMailbox virtual boxes.test joe@boxes.test"),
        ("any@relay.test", "relay relay relay.test any@relay.test"),
        ("any@deep.sub.relay.test", "relay relay deep.sub.relay.test any@deep.sub.relay.test"),
        ("any@notrelay.test", "other smtp notrelay.test any@notrelay.test"),
        ("any@a.only-sub.test", "relay relay a.only-sub.test any@a.only-sub.test"),
        ("any@only-sub.test", "other smtp only-sub.test any@only-sub.test"),
        // transport(5)
        ("special@far.test", "other smtp [special.example]:2525 special@far.test"),
        ("special+more@far.test", "other smtp [special.example]:2525 special+more@far.test"),
        ("ext@far.test", "other smtp [ext.example] ext@far.test"),
        ("plain@far.test", "other smtp far.test plain@far.test"),
        ("x@hub.test", "other smtp hub.test x@hub.test"),
        ("x@a.b.hub.test", "other lmtp unix:private/lmtp x@a.b.hub.test"),
        ("x@host.example.net", "other smtp [net.example] x@host.example.net"),
        ("x@example.net", "other smtp example.net x@example.net"),
        ("x@gone.test", "5.7.1 no mail for this domain"),
        ("x@bare-error.test", "5.0.0 Address is undeliverable"),
        ("x@later.test", "4.7.0 not now"),
        ("x@wrong-class.test", "4.0.0 odd"),
        ("x@void.test", "other discard void.test x@void.test"),
        ("x@silent.test", "other discard junk x@silent.test"),
        ("x@only-name.test", "other slow only-name.test x@only-name.test"),
        ("x@nexthop.test", "other smtp [hop.example]:587 x@nexthop.test"),
        ("x@Only-Name.TEST", "other slow only-name.test x@Only-Name.TEST"),
        ("x@bücher.example", "other smtp bücher.example x@bücher.example"),
        // local-parts are no routes; without a domain they are
        ("a!b@far.test", "other smtp far.test a!b@far.test"),
        ("site.test!user", "other smtp site.test user@site.test"),
        ("user%site.test", "other smtp site.test user@site.test"),
        ("user%site.test@example.org", "local local mail.example.org user%site.test@example.org"),
        // syntax
        ("x@192.0.2.1", "5.1.3 bad address syntax"), ("x@a..b", "5.1.3 bad address syntax"), ("x@.a", "5.1.3 bad address syntax"),
        ("x@-a.test", "5.1.3 bad address syntax"), ("x@[nonsense]", "5.1.3 bad address syntax"), ("x@[", "5.1.3 bad address syntax"),
        ("x@a b", "5.1.3 bad address syntax"), ("@far.test", "5.1.3 bad address syntax"), ("x@.", "5.1.3 bad address syntax"),
        ("x@a\u{7}.test", "5.1.3 bad address syntax"),
    ])
    func results(recipient: String, expected: String) throws {
        #expect(describe(try router().resolve(MailAddress(recipient))) == expected)
    }

    @Test func routedLocalPartsStayQuoted() throws {
        let address = MailAddress(localPart: Array("user@far.test".utf8), domain: Array("example.org".utf8))
        #expect(describe(try router().resolve(address)) == "local local mail.example.org \"user@far.test\"@example.org")
    }

    @Test func malformedUTF8IsNoDomain() throws {
        let address = MailAddress(localPart: [0x61], domain: [0xFF, 0x2E, 0x61])
        #expect(describe(try router().resolve(address)) == "5.1.3 bad address syntax")
    }

    @Test(arguments: [
        ("relayhost = [smart.test]:587", "x@any.test", "other smtp [smart.test]:587 x@any.test"),
        ("relayhost = [smart.test]:587", "x@relay.test", "relay relay [smart.test]:587 x@relay.test"),
        ("relayhost = [smart.test]:587", "joe@boxes.test", "virtualMailbox virtual boxes.test joe@boxes.test"),
        ("relayhost = [smart.test]:587", "matt@example.org", "local local mail.example.org matt@example.org"),
        // a table entry without next hop resets it to the domain, `:` leaves all as it was
        ("relayhost = [smart.test]:587", "x@hub.test", "other smtp hub.test x@hub.test"),
        ("relayhost = [smart.test]:587", "x@far.test", "other smtp [smart.test]:587 x@far.test"),
        ("relayhost = smart.test\nrelay_transport = smtp:[inside.test]", "x@relay.test", "relay smtp [inside.test] x@relay.test"),
        ("default_transport = error:5.4.4 no mail leaves this host", "x@any.test", "5.4.4 no mail leaves this host"),
        ("default_transport = retry:4.4.4 not today", "x@any.test", "4.4.4 not today"),
        ("virtual_transport = lmtp:unix:private/dovecot", "joe@boxes.test", "virtualMailbox lmtp unix:private/dovecot joe@boxes.test"),
        ("local_transport = lmtp:inet:127.0.0.1:24", "matt@example.org", "local lmtp inet:127.0.0.1:24 matt@example.org"),
        ("local_transport = local", "matt@localhost", "local local localhost matt@localhost"),
        ("transport_maps = inline:{ { * = smtp:[star.test] } }", "x@any.test", "other smtp [star.test] x@any.test"),
        ("transport_maps = inline:{ { * = smtp:[star.test] } }", "matt@example.org", "local smtp [star.test] matt@example.org"),
        ("transport_maps = inline:{ { * = : } }", "x@any.test", "other smtp any.test x@any.test"),
        (
            "parent_domain_matches_subdomains = transport_maps\ntransport_maps = inline:{ { up.test = slow: } }", "x@a.up.test",
            "other slow a.up.test x@a.up.test"
        ),
        ("append_dot_mydomain = yes", "x@host", "other smtp host.example.org x@host.example.org"),
        ("append_dot_mydomain = yes", "x@localhost", "local local mail.example.org x@localhost.example.org"),
        ("inet_interfaces = loopback-only", "x@[192.0.2.10]", "other smtp [192.0.2.10] x@[192.0.2.10]"),
        ("inet_interfaces = loopback-only", "x@[127.0.0.1]", "local local mail.example.org x@[127.0.0.1]"),
        ("inet_interfaces = 203.0.113.5, localhost", "x@[203.0.113.5]", "local local mail.example.org x@[203.0.113.5]"),
        ("recipient_delimiter =", "special+more@far.test", "other smtp far.test special+more@far.test"),
        ("recipient_delimiter = -", "special-more@far.test", "other smtp [special.example]:2525 special-more@far.test"),
        ("relay_domains =", "any@relay.test", "other smtp relay.test any@relay.test"),
    ])
    func parameters(lines: String, recipient: String, expected: String) throws {
        #expect(describe(try router(lines).resolve(MailAddress(recipient))) == expected)
    }

    @Test(arguments: ["mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains", "transport_maps"])
    func aTableThatFailsDefers(parameter: String) throws {
        let lines = Mutex<[String]>([])
        let router = try router("\(parameter) = fail:out of order") { line in lines.withLock { $0.append(line) } }
        #expect(describe(router.resolve(MailAddress("x@any.test"))) == "4.3.0 address resolver failure")
        #expect(lines.withLock(\.self).count == 1)
        #expect(lines.withLock(\.self).first?.contains("fail:out") == true)
    }

    @Test func classesOfDomains() throws {
        let router = try router()
        let expected: [(String, AddressClass)] = [
            ("example.org", .local), ("[127.0.0.1]", .local), ("alias.test", .virtualAlias), ("boxes.test", .virtualMailbox),
            ("RELAY.test", .relay), ("a.relay.test", .relay), ("far.test", .other), ("", .other),
        ]
        for (domain, addressClass) in expected { #expect(try router.addressClass(of: Array(domain.utf8)) == addressClass, "\(domain)") }
    }
}

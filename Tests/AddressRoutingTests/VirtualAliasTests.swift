import AddressRouting
import MailModel
import Testing

@Suite struct VirtualAliasTests {
    @Test(arguments: [
        ("matt@example.org", "matt@example.org"), ("matt", "matt@example.org"), ("x@far.test", "x@far.test"),
        ("info@alias.test", "matt@example.org phil@example.org"), ("INFO@Alias.TEST", "matt@example.org phil@example.org"),
        ("info+tag@alias.test", "matt+tag@example.org phil+tag@example.org"),
        ("sales@alias.test", "sales@far.test"), ("sales+us@alias.test", "sales+us@far.test"), ("sales+eu@alias.test", "eu@far.test"),
        ("sales+eu+x@alias.test", "sales+eu+x@far.test"),
        ("joe@catch.test", "joe@example.org"), ("joe+tag@catch.test", "joe+tag@example.org"),
        ("joe@all.test", "all@example.org"), ("joe+tag@all.test", "all+tag@example.org"),
        // a bare name stands for local domains only
        ("webmaster@example.org", "matt@example.org"), ("webmaster@localhost", "matt@example.org"),
        ("webmaster@[127.0.0.1]", "matt@example.org"),
        ("webmaster@far.test", "webmaster@far.test"), ("webmaster+a@example.org", "matt+a@example.org"),
        // once into itself
        ("self@example.org", "self@example.org copy@far.test"), ("Self@Example.org", "self@example.org copy@far.test"),
        ("quoted@alias.test", "\"odd name\"@far.test angle@far.test"),
        ("deep1@alias.test", "end3@far.test end4@far.test end3@far.test"),
        ("ghost@alias.test", "ghost@alias.test"), ("", ""),
    ])
    func expansion(recipient: String, expected: String) throws {
        let result = try router().expandVirtualAliases(MailAddress(recipient))
        #expect(result.map(\.logForm).joined(separator: " ") == expected)
    }

    @Test(arguments: [
        ("a@loop.test", "", "4.6.0 Alias expansion error"), ("empty@alias.test", "", "4.6.0 Alias expansion error"),
        ("x@far.test", "virtual_alias_maps = fail:x", "4.3.0 Temporary lookup failure"),
        ("x@far.test", "mydestination = fail:x", "4.3.0 Temporary lookup failure"),
        ("info@alias.test", "virtual_alias_expansion_limit = 1", "4.6.0 Alias expansion error"),
        ("deep1@alias.test", "virtual_alias_recursion_limit = 1", "4.6.0 Alias expansion error"),
        ("info@alias.test", "virtual_alias_address_length_limit = 10", "4.6.0 Alias expansion error"),
        ("x@grow.test", "virtual_alias_maps = inline:{ { @grow.test = x+y@grow.test } }", "4.6.0 Alias expansion error"),
    ])
    func failures(recipient: String, lines: String, expected: String) throws {
        let router = try router(lines)
        do throws(AliasExpansionError) {
            let list = try router.expandVirtualAliases(MailAddress(recipient))
            Issue.record("\(list)")
        } catch {
            #expect(error.description == expected)
        }
    }

    @Test func extensionsMayBeDropped() throws {
        let router = try router("propagate_unmatched_extensions = canonical")
        let info = try router.expandVirtualAliases(MailAddress("info+tag@alias.test"))
        #expect(info.map(\.logForm) == ["matt@example.org", "phil@example.org"])
        #expect(try router.expandVirtualAliases(MailAddress("joe+tag@catch.test")).map(\.logForm) == ["joe@example.org"])
    }

    @Test func namesOfTheMailSystemAreNotSplit() throws {
        let router = try router(
            "recipient_delimiter = -+\nvirtual_alias_maps = inline:{ {owner=a@far.test}, {double=b@far.test}, {list=c@far.test} }")
        for (recipient, expected) in [
            ("owner-list@example.org", "owner-list@example.org"), ("double-bounce@example.org", "double-bounce@example.org"),
            ("list-request@example.org", "list-request@example.org"), ("list-x@example.org", "c-x@far.test"),
            ("list+x@example.org", "c+x@far.test"),
        ] {
            #expect(try router.expandVirtualAliases(MailAddress(recipient)).map(\.logForm) == [expected])
        }
    }
}

import SystemKit
import Testing

@testable import MailConfiguration

@Suite struct LocalNetworksTests {
    private static let interfaces = "127.0.0.1/8 10.1.2.3/20 192.0.2.5/25 172.20.1.1/30 ::1/128 2001:db8::5/64"

    @Test(arguments: [
        ("host", ["all"], "127.0.0.0/8 10.1.2.3/32 192.0.2.5/32 172.20.1.1/32 [::1]/128 [2001:db8::5]/128"),
        ("subnet", ["all"], "127.0.0.0/8 10.1.0.0/20 192.0.2.0/25 172.20.1.0/30 [::1]/128 [2001:db8::]/64"),
        ("class", ["all"], "127.0.0.0/8 10.0.0.0/8 192.0.2.0/24 172.20.0.0/16 [::1]/128 [2001:db8::]/64"),
        ("subnet", ["loopback-only"], "127.0.0.0/8 [::1]/128"),
        ("subnet", ["192.0.2.5", "[2001:db8::5]", "mail.example"], "192.0.2.0/25 [2001:db8::]/64"),
        ("host", [], ""),
    ])
    func styles(style: String, listeners: [String], expected: String) {
        #expect(LocalNetworks.text(style: style, listeners: listeners, interfaces: Self.interfaces) == expected)
    }

    @Test func theDefaultOfMynetworks() throws {
        func networks(_ text: String) throws -> [String] {
            try Configuration(text: text) { $0 == "interfaces" ? Self.interfaces : nil }[Parameters.mynetworks]
        }
        #expect(try networks("mynetworks_style = subnet\ninet_interfaces = 192.0.2.5") == ["192.0.2.0/25"])
        #expect(try networks("mynetworks_style = class\nmynetworks = 10.9.0.0/16") == ["10.9.0.0/16"])
        #expect(try networks("inet_interfaces = loopback-only") == ["127.0.0.0/8", "[::1]/128"])
        #expect(try Configuration(text: "")[Parameters.mynetworks] == ["127.0.0.0/8", "[::1]/128"])
    }

    @Test func theSystemTellsItsOwn() {
        // Every system has a loopback interface, and what it tells can be read again.
        let all = InterfaceAddresses.networks()
        #expect(all.contains { $0.isLoopback })
        #expect(all.map { InterfaceNetwork($0.description) } == all)
        #expect(InterfaceNetwork("10.0.0.1/33") == nil && InterfaceNetwork("x/3") == nil && InterfaceNetwork("10.0.0.1") == nil)
    }
}

@Suite struct EnvironmentListTests {
    @Test func namesKeepAndAssignmentsSet() {
        let outer = ["TZ": "Europe/Zurich", "LD_PRELOAD": "/evil.so", "LANG": "de"]
        let result = EnvironmentList.variables(["MAIL_CONFIG", "TZ", "LANG", "LANG=C", "{ A = b c }"]) { outer[$0] }
        #expect(result.map { "\($0.0)=\($0.1)" } == ["TZ=Europe/Zurich", "LANG=C", "A=b c"])
    }
}

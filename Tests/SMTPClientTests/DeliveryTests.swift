// Whole attempts: from a next hop to the outcome of each recipient, and the lines in the log.

import MailIPC
import MailModel
import SMTPProtocol
import ServiceKit
import Testing

@testable import SMTPClient

@ServiceActor
@Suite struct DeliveryTests {
    /// example has mx1 (10.0.0.1) and mx2 (10.0.0.2).
    static func world(_ change: (ScriptedWorld) -> Void = { _ in }) -> ScriptedWorld {
        let world = ScriptedWorld()
        world.dns.mx("example", (10, "mx1.example"), (20, "mx2.example"))
        world.dns.a("mx1.example", "10.0.0.1")
        world.dns.a("mx2.example", "10.0.0.2")
        world.host("10.0.0.1", HostScript())
        world.host("10.0.0.2", HostScript())
        change(world)
        return world
    }

    @Test func delivered() async {
        let world = Self.world()
        let reply = await world.deliver(["a@example", "b@example"])
        #expect(
            reply.outcomes.map(describe)
                == Array(repeating: "relayed 2.0.0 mx1.example[10.0.0.1]:25 (250 2.0.0 Ok: queued as ABC)", count: 2))
        #expect(reply.destinationTrouble == nil)
        #expect(world.messages.map(\.content) == ["Subject: x\r\n\r\nhello\r\n"])
        #expect(
            world.log.lines
                == ["a", "b"].map {
                    "\(QueueID(microseconds: 1, unique: 1)): to=<\($0)@example>, relay=mx1.example[10.0.0.1]:25, delay=2, "
                        + "delays=1.5/0.5/0/0, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as ABC)"
                })
    }

    @Test func bulkUsesOneConnection() async {
        let world = Self.world()
        for _ in 0..<5 { _ = await world.deliver() }
        #expect(world.connections == ["10.0.0.1:25"])
        #expect(world.log.lines.last?.contains("relay=mx1.example[10.0.0.1]:25, conn_use=5, delay=2,") == true)
        #expect(!world.dialogue.contains { $0.contains("RSET") })
        await world.agent.cache.drain()
        #expect(world.dialogue.last == "10.0.0.1: QUIT")
        #expect(world.closed == ["10.0.0.1"])
    }

    @Test func connectionsAreUsedUpToTheirLimit() async {
        let world = Self.world { $0.parameters.reuse.count = 2 }
        for _ in 0..<4 { _ = await world.deliver() }
        #expect(world.connections.count == 2)
        let never = Self.world { $0.parameters.reuse.isOnDemand = false }
        for _ in 0..<3 { _ = await never.deliver() }
        #expect(never.connections.count == 3)
    }

    @Test func aKeptConnectionThatIsDeadIsReplaced() async {
        // The second MAIL of the first connection meets a closed one; nobody hears of it.
        let world = Self.world { $0.host("10.0.0.1", HostScript(cutsAt: "MAIL#2"), HostScript()) }
        _ = await world.deliver()
        let reply = await world.deliver()
        #expect(world.connections == ["10.0.0.1:25", "10.0.0.1:25"])
        #expect(reply.outcomes.map(\.action) == [.relayed])
        #expect(!world.log.lines.contains { $0.contains("lost connection") })
    }

    // MARK: which host

    @Test func theNextHostIsTried() async {
        for script in [
            HostScript(greeting: nil), HostScript(greeting: "421 4.3.2 busy"), HostScript(greeting: "554 no"), HostScript(cutsAt: "EHLO"),
            HostScript(["MAIL": ["451 4.3.0 later"]]), HostScript(["RCPT": ["450 4.7.1 greylisted"]]),
            HostScript(["DATA": ["451 4.3.0 later"]]),
            HostScript([".": ["451 4.3.0 later"]]), HostScript(cutsAt: "."),
        ] {
            let world = Self.world { $0.host("10.0.0.1", script) }
            let reply = await world.deliver()
            #expect(reply.outcomes.map(describe) == ["relayed 2.0.0 mx2.example[10.0.0.2]:25 (250 2.0.0 Ok: queued as ABC)"])
            #expect(reply.destinationTrouble == nil)
            #expect(world.connections == ["10.0.0.1:25", "10.0.0.2:25"])
            #expect(world.log.lines.count == 2)
        }
    }

    @Test func aRefusalForGoodIsNotTakenElsewhere() async {
        let world = Self.world { $0.host("10.0.0.1", HostScript(["RCPT": ["550 5.1.1 unknown"]])) }
        let reply = await world.deliver()
        #expect(
            reply.outcomes.map(describe) == [
                "bounced 5.1.1 mx1.example[10.0.0.1]:25 (host mx1.example[10.0.0.1] said: 550 5.1.1 unknown (in reply to RCPT TO command))"
            ])
        #expect(reply.outcomes[0].remoteMTA == "mx1.example")
        #expect(reply.outcomes[0].diagnostic == "550 5.1.1 unknown")
        #expect(world.connections.count == 1)
    }

    @Test func eachRecipientHasItsOwnFate() async {
        let world = Self.world {
            $0.host("10.0.0.1", HostScript(["RCPT": ["250 ok", "550 5.1.1 unknown", "450 4.7.1 greylisted"]]))
            $0.host("10.0.0.2", HostScript(["RCPT": ["450 4.7.1 greylisted too"]]))
        }
        let reply = await world.deliver(["a@example", "b@example", "c@example"])
        #expect(reply.outcomes.map(\.action) == [.relayed, .bounced, .deferred])
        #expect(
            reply.outcomes[2].reason == "host mx2.example[10.0.0.2] said: 450 4.7.1 greylisted too (in reply to RCPT TO command)")
        #expect(reply.destinationTrouble == nil)
        #expect(world.dialogue.filter { $0 == "10.0.0.2: RCPT TO:<c@example> ORCPT=rfc822;c@example" }.count == 1)
        #expect(!world.dialogue.contains { $0.hasPrefix("10.0.0.2: RCPT TO:<a@") })
    }

    @Test func nobodyAnswers() async {
        let world = Self.world {
            $0.host("10.0.0.1", HostScript(greeting: nil))
            $0.host("10.0.0.2", HostScript(greeting: nil))
        }
        let reply = await world.deliver()
        #expect(
            reply.outcomes.map(describe) == ["deferred 4.4.1 none (connect to mx2.example[10.0.0.2]:25: Connection refused)"])
        #expect(reply.destinationTrouble?.status == EnhancedStatusCode(4, 4, 1))
        #expect(world.log.lines.first == "connect to mx1.example[10.0.0.1]:25: Connection refused")
    }

    @Test func theLastGreetingIsTheReason() async {
        let world = Self.world {
            $0.host("10.0.0.1", HostScript(greeting: "421 4.3.2 one"))
            $0.host("10.0.0.2", HostScript(greeting: "421 4.3.2 two"))
        }
        let reply = await world.deliver()
        #expect(
            reply.outcomes.map(describe) == [
                "deferred 4.3.2 mx2.example[10.0.0.2]:25 (host mx2.example[10.0.0.2] refused to talk to me: 421 4.3.2 two)"
            ])
        #expect(reply.destinationTrouble != nil)
    }

    @Test func sessionsAreLimited() async {
        let world = Self.world {
            $0.dns.mx("example", (1, "mx1.example"), (2, "mx2.example"), (3, "mx3.example"))
            $0.dns.a("mx3.example", "10.0.0.3")
            for address in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] { $0.host(address, HostScript(greeting: "421 4.3.2 busy")) }
        }
        let reply = await world.deliver()
        #expect(world.connections == ["10.0.0.1:25", "10.0.0.2:25"])
        #expect(reply.outcomes.map(\.action) == [.deferred])
        // A refused connection is no session.
        let other = Self.world {
            $0.dns.mx("example", (1, "mx1.example"), (2, "mx2.example"), (3, "mx3.example"))
            $0.dns.a("mx3.example", "10.0.0.3")
            $0.host("10.0.0.1", HostScript(greeting: nil))
            $0.host("10.0.0.2", HostScript(greeting: "421 4.3.2 busy"))
            $0.host("10.0.0.3", HostScript())
        }
        #expect(await other.deliver().outcomes.map(\.action) == [.relayed])
    }

    @Test func aTemporaryFailureOfTheOnlyHostOnAKeptConnection() async {
        let world = ScriptedWorld()
        world.host("10.0.0.7", HostScript(["RCPT": ["250 ok", "450 4.2.1 later"]]))
        _ = await world.deliver(nextHop: "[10.0.0.7]")
        let reply = await world.deliver(nextHop: "[10.0.0.7]")
        #expect(world.connections.count == 1)
        #expect(
            reply.outcomes.map(describe) == [
                "deferred 4.2.1 10.0.0.7[10.0.0.7]:25 (host 10.0.0.7[10.0.0.7] said: 450 4.2.1 later (in reply to RCPT TO command))"
            ])
    }

    // MARK: names

    nonisolated static let names: [(nextHop: String, outcome: String)] = [
        ("null.example", "bounced 5.1.10 none (Domain null.example does not accept mail (nullMX))"),
        (
            "missing.example",
            "bounced 5.4.4 none (Host or domain name not found. Name service error for name=missing.example type=MX: Host not found)"
        ),
        (
            "failing.example",
            "deferred 4.4.3 none (Host or domain name not found. Name service error for name=failing.example type=MX: "
                + "Host not found, try again)"
        ),
        ("loop.example", "bounced 5.4.6 none (mail for loop.example loops back to myself)"),
        ("implicit.example", "relayed 2.0.0 implicit.example[10.0.0.1]:25 (250 2.0.0 Ok: queued as ABC)"),
        ("[mx2.example]:2525", "relayed 2.0.0 mx2.example[10.0.0.2]:2525 (250 2.0.0 Ok: queued as ABC)"),
        ("implicit.example:587", "relayed 2.0.0 implicit.example[10.0.0.1]:587 (250 2.0.0 Ok: queued as ABC)"),
        ("[10.9.9.9]", "bounced 5.4.6 none (mail for 10.9.9.9 loops back to myself)"),
        ("[10.9.9.9]:2525", "deferred 4.4.1 none (connect to 10.9.9.9[10.9.9.9]:2525: Connection refused)"),
        ("[broken", "deferred 4.3.5 none (mail system configuration error: bad next hop [broken)"),
    ]

    @Test(arguments: names.indices) func nextHops(_ index: Int) async {
        let (nextHop, outcome) = Self.names[index]
        let world = Self.world {
            $0.dns.mx("null.example", (0, ""))
            $0.dns.fails("failing.example")
            $0.dns.mx("loop.example", (10, "me.example"), (20, "mx2.example"))
            $0.dns.a("me.example", "10.9.9.9")
            $0.dns.a("implicit.example", "10.0.0.1")
        }
        #expect(await world.deliver(nextHop: nextHop).outcomes.map(describe) == [outcome])
    }

    @Test func aDomainThatCannotBeANameBounces() async {
        let reply = await ScriptedWorld().deliver(["r@a..b"], nextHop: "a..b")
        #expect(reply.outcomes.map(\.status) == [EnhancedStatusCode(5, 4, 4)])
    }

    @Test func backupHostsOfOurOwnPreferenceAreLeftOut() async {
        let world = Self.world {
            $0.dns.mx("example", (10, "mx1.example"), (20, "me.example"), (30, "mx2.example"))
            $0.dns.a("me.example", "10.9.9.9")
            $0.host("10.0.0.1", HostScript(greeting: nil))
        }
        let reply = await world.deliver()
        #expect(world.connections == ["10.0.0.1:25"])
        #expect(reply.outcomes.map(\.action) == [.deferred])
    }

    @Test func mistakesInRelayhostDoNotBounce() async {
        let world = Self.world { $0.parameters.relayhost = "[missing.example]" }
        let reply = await world.deliver(nextHop: "[missing.example]")
        #expect(reply.outcomes.map(\.action) == [.deferred])
        #expect(world.log.lines.first == "warning: relayhost configuration problem")
    }

    @Test func aFailedMXLookupMayBeIgnored() async {
        let world = Self.world {
            $0.parameters.ignoresMXFailure = true
            $0.dns.fails("half.example")
            $0.dns.a("half.example", "10.0.0.1")
        }
        #expect(await world.deliver(nextHop: "half.example").outcomes.map(\.relay) == ["half.example[10.0.0.1]:25"])
    }

    @Test func fallbackRelays() async {
        let world = Self.world {
            $0.parameters.fallbackRelays = ["[mx2.example]"]
            $0.host("10.0.0.9", HostScript(greeting: nil))
        }
        let reply = await world.deliver(nextHop: "[10.0.0.9]")
        #expect(reply.outcomes.map(\.relay) == ["mx2.example[10.0.0.2]:25"])
    }
}

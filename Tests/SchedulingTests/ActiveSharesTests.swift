// The room for active messages: floods leave room, lanes are served, nothing is forgotten.

import MailModel
import Testing

@testable import Scheduling

private func id(_ number: Int) -> QueueID { QueueID(microseconds: Int64(number), unique: 1) }
private func ticket(_ sender: String, to nextHop: String, recipients: Int = 1) -> ActiveShares.Ticket {
    ActiveShares.Ticket(
        sender: sender,
        placements: [RecipientPlacement(recipient: 0, destination: Destination(transport: "smtp", nextHop: nextHop))],
        recipients: recipients)
}
private func shares(_ messages: Int = 20_000, _ recipients: Int = 20_000, transport: Int = 20_000) -> ActiveShares {
    ActiveShares(messages: messages, recipients: recipients, transportRecipients: { _ in transport })
}

@Test func aFloodOfOneSenderTakesHalfOfWhatTheReserveLeaves() {
    var shares = shares()
    var count = 0
    while shares.lane(for: ticket("a@x", to: "d\(count)")) == nil {
        shares.enter(ticket("a@x", to: "d\(count)"))
        count += 1
    }
    #expect(count == 9000)
    #expect(shares.lane(for: ticket("a@x", to: "d")) == .sender("a@x"))
    #expect(shares.lane(for: ticket("b@x", to: "d")) == nil)
}

@Test func aFloodToOneDestinationToo() {
    var shares = shares()
    var count = 0
    while shares.lane(for: ticket("s\(count)", to: "slow")) == nil {
        shares.enter(ticket("s\(count)", to: "slow"))
        count += 1
    }
    #expect(count == 9000)
    #expect(shares.lane(for: ticket("b@x", to: "slow")) == .destination(Destination(transport: "smtp", nextHop: "slow")))
    #expect(shares.lane(for: ticket("b@x", to: "other")) == nil)
}

/// Many floods, one after the other: however many there are, one who has few messages finds room until a hundred such have come.
@Test func manyFloodsLeaveTheReserve() {
    var shares = shares()
    for flood in 0..<200 {
        var count = 0
        while count < 20_000, shares.hasRoom, shares.lane(for: ticket("f\(flood)", to: "slow\(flood)")) == nil {
            shares.enter(ticket("f\(flood)", to: "slow\(flood)"))
            count += 1
        }
        if flood < 50 { #expect(count >= 20, "flood \(flood) had \(count)") }
        if flood == 50 { #expect(shares.messages <= 19_100) }
    }
    #expect(shares.messages <= 20_000)
}

@Test func largeMessagesAreCountedForThemselves() {
    var shares = shares()
    shares.enter(ticket("list", to: "d", recipients: 100_000))
    #expect(shares.hasRoom)
    #expect(shares.lane(for: ticket("b@x", to: "d", recipients: 100)) == nil)
    #expect(shares.lane(for: ticket("b@x", to: "d", recipients: 5000)) == .large)
    shares.wait(id(1), ticket("b@x", to: "d", recipients: 5000), in: .large)
    #expect(shares.nextWaiting() == nil)
    shares.leave(ticket("list", to: "d", recipients: 100_000))
    #expect(shares.lane(for: ticket("c@x", to: "d", recipients: 5000)) == .large, "behind the one that waits")
    #expect(shares.nextWaiting()?.id == id(1))
    #expect(shares.lane(for: ticket("b@x", to: "d", recipients: 5000), from: .large) == nil)
    #expect(!shares.isAnyoneWaiting)
}

/// Twenty messages to a thousand recipients each would use up the recipients that may be in memory: they have shares of them too.
@Test func aFloodOfRecipientsLeavesRoom() {
    var shares = shares()
    var count = 0
    while shares.lane(for: ticket("a@x", to: "d\(count)", recipients: 1000)) == nil {
        shares.enter(ticket("a@x", to: "d\(count)", recipients: 1000))
        count += 1
    }
    #expect(count == 9)
    #expect(shares.hasRoom && shares.lane(for: ticket("b@x", to: "d")) == nil)
    // Others with as many: what is left is halved each time, and the reserve stays for small mail.
    for other in 0..<100 {
        while shares.lane(for: ticket("s\(other)", to: "e\(other)", recipients: 1000)) == nil {
            shares.enter(ticket("s\(other)", to: "e\(other)", recipients: 1000))
        }
    }
    #expect(shares.hasRoom && shares.lane(for: ticket("b@x", to: "d", recipients: 20)) == nil)
}

@Test func recipientsOfATransportAreLimited() {
    var shares = shares(transport: 10)
    shares.enter(ticket("a", to: "d", recipients: 10))
    #expect(shares.lane(for: ticket("b", to: "e")) == .transport("smtp"))
    shares.leave(ticket("a", to: "d", recipients: 10))
    #expect(shares.lane(for: ticket("b", to: "e")) == nil)
}

@Test(arguments: [
    ("Ann@Example.org", "ann@example.org"), ("list+bob=site.test@lists.test", "list@lists.test"), ("", "@"),
])
func keysOfSenders(sender: String, key: String) { #expect(ActiveShares.senderKey(sender.isEmpty ? .null : MailAddress(sender)) == key) }

/// Random comings and goings as the queue manager has them: the limits hold, and everything that waits gets in.
@Test(arguments: (1...10).map { UInt64($0) &* 0x9E37_79B9 })
func everybodyGetsIn(seed: UInt64) {
    print("seed \(seed)")
    var random = SeededGenerator(seed: seed)
    var shares = shares(200, 400, transport: 300)
    var tickets: [QueueID: ActiveShares.Ticket] = [:]
    var backlog: [QueueID] = []
    var inside: [QueueID] = []
    var entered = 0
    func offer(_ message: QueueID, from lane: ActiveShares.Lane?) {
        guard let ticket = tickets[message] else { return }
        if let lane = shares.lane(for: ticket, from: lane) {
            shares.wait(message, ticket, in: lane)
        } else {
            shares.enter(ticket)
            inside.append(message)
            entered += 1
        }
    }
    for step in 0..<4000 {
        if step < 3000 {
            let message = id(step)
            // Some senders and destinations are popular.
            let sender = "s\(min(Int.random(in: 0..<60, using: &random), Int.random(in: 0..<60, using: &random)))"
            let nextHop = "d\(min(Int.random(in: 0..<40, using: &random), Int.random(in: 0..<40, using: &random)))"
            let recipients = Int.random(in: 0..<100, using: &random) == 0 ? Int.random(in: 41...900, using: &random) : 1
            tickets[message] = ticket(sender, to: nextHop, recipients: recipients)
            if shares.hasRoom { offer(message, from: nil) } else { backlog.append(message) }
        }
        if !inside.isEmpty && Bool.random(using: &random) {
            let message = inside.remove(at: Int.random(in: 0..<inside.count, using: &random))
            if let ticket = tickets[message] { shares.leave(ticket) }
        }
        while shares.hasRoom {
            if !backlog.isEmpty {
                offer(backlog.removeFirst(), from: nil)
            } else if let (message, lane) = shares.nextWaiting() {
                offer(message, from: lane)
            } else {
                break
            }
        }
        #expect(shares.messages <= 200)
    }
    while !inside.isEmpty {
        if let ticket = tickets[inside.removeFirst()] { shares.leave(ticket) }
        while shares.hasRoom {
            if !backlog.isEmpty {
                offer(backlog.removeFirst(), from: nil)
            } else if let (message, lane) = shares.nextWaiting() {
                offer(message, from: lane)
            } else {
                break
            }
        }
    }
    #expect(entered == 3000)
    #expect(!shares.isAnyoneWaiting && shares.messages == 0 && backlog.isEmpty)
}

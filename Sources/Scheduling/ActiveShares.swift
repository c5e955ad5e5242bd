// Who may be among the active messages: shares of senders and destinations, and lanes for what waits for its share.
//
// The active messages and their recipients are bounded (qmgr_message_active_limit, qmgr_message_recipient_limit). Without shares one flood
// fills them, and everything else waits until the flood is gone. Here a sender, and a destination, may have as many as are still free
// beyond a reserve; so n floods have 1/(n+1) of the room each, and as much is left. The reserve is only for those who have very few. Messages with very many recipients are
// counted for themselves, so that a mailing list does not use up the recipients that other mail may have.
// What may not enter waits in a lane, by id only, and is read again when the lane's owner may have another.
// ARCHITECTURE.md, "The scheduler", states the bounds. Limits: a message to several destinations counts for its sender only.

public import MailModel

/// The room for active messages, and who waits for it.
public struct ActiveShares {
    /// What a message takes up.
    public struct Ticket: Hashable, Sendable {
        /// See ``ActiveShares/senderKey(_:)``.
        public var sender: String
        /// Set where all its recipients go to one destination.
        public var destination: Destination?
        /// Set where all its recipients go over one transport.
        public var transport: String?
        /// Recipients to be tried.
        public var recipients: Int

        public init(sender: String, placements: [RecipientPlacement], recipients: Int) {
            self.sender = sender
            self.recipients = recipients
            guard let first = placements.first?.destination else { return }
            if placements.allSatisfy({ $0.destination == first }) { destination = first }
            if placements.allSatisfy({ $0.destination.transport == first.transport }) { transport = first.transport }
        }
    }

    /// Whose share is used up.
    public enum Lane: Hashable, Sendable {
        case sender(String)
        case destination(Destination)
        case transport(String)
        /// Messages with very many recipients.
        case large
    }

    /// What somebody has among the active messages.
    private struct Holding {
        var messages = 0
        /// Without those of large messages.
        var recipients = 0
    }
    private struct Waiting {
        let id: QueueID
        let recipients: Int
    }

    private let messageLimit: Int
    private let recipientLimit: Int
    private let transportLimit: @Sendable (String) -> Int
    public private(set) var messages = 0
    /// Recipients of messages that are not large.
    private var recipients = 0
    private var largeRecipients = 0
    private var holdings: [Lane: Holding] = [:]
    private var lanes: [Lane: FirstInFirstOut<Waiting>] = [:]
    private var ring = FirstInFirstOut<Lane>()

    /// Lanes looked at for one message; the others have their turn next time.
    private static let lanesAtATime = 16
    /// Below this limit there are no shares: there is too little to be shared.
    private static let leastShared = 100

    /// - Parameters:
    ///   - messages: `qmgr_message_active_limit`.
    ///   - recipients: `qmgr_message_recipient_limit`.
    ///   - transportRecipients: `default_recipient_limit` and `TRANSPORT_recipient_limit`.
    public init(messages: Int, recipients: Int, transportRecipients: @escaping @Sendable (String) -> Int) {
        messageLimit = max(1, messages)
        recipientLimit = max(1, recipients)
        transportLimit = transportRecipients
    }

    /// Whether any message may enter: what is asked before one is read.
    public var hasRoom: Bool { messages < messageLimit && recipients < recipientLimit }
    /// Whether something waits in a lane.
    public var isAnyoneWaiting: Bool { !lanes.isEmpty }

    private var isShared: Bool { messageLimit >= ActiveShares.leastShared }

    /// The lane in which a message must wait; nil where it may enter.
    ///
    /// - Parameter lane: the lane from which it comes; nil for one that was not in any, which stands behind those that wait for the same.
    public func lane(for ticket: Ticket, from lane: Lane? = nil) -> Lane? {
        guard isShared else { return nil }
        var asked: [Lane] = [.sender(ticket.sender)]
        if let destination = ticket.destination { asked.append(.destination(destination)) }
        if isLarge(ticket.recipients) {
            asked.append(.large)
        } else if let transport = ticket.transport {
            asked.append(.transport(transport))
        }
        return asked.first { (lane == nil && lanes[$0] != nil) || !mayEnter($0, from: lane, recipients: ticket.recipients) }
    }

    /// Counts a message in.
    public mutating func enter(_ ticket: Ticket) { count(ticket, 1) }

    /// Counts a message out.
    public mutating func leave(_ ticket: Ticket) { count(ticket, -1) }

    /// Has a message wait in a lane.
    public mutating func wait(_ id: QueueID, _ ticket: Ticket, in lane: Lane) {
        if lanes[lane] == nil { ring.append(lane) }
        lanes[lane, default: FirstInFirstOut()].append(Waiting(id: id, recipients: ticket.recipients))
    }

    /// The next message that is to be read again because its lane may have another in. The caller skips those that left meanwhile.
    public mutating func nextWaiting() -> (id: QueueID, lane: Lane)? {
        for _ in 0..<min(ActiveShares.lanesAtATime, ring.count) {
            guard let lane = ring.popFirst() else { return nil }
            guard let first = lanes[lane]?.first, mayEnter(lane, from: lane, recipients: first.recipients) else {
                ring.append(lane)
                continue
            }
            _ = lanes[lane]?.popFirst()
            if lanes[lane]?.isEmpty == false { ring.append(lane) } else { lanes[lane] = nil }
            return (first.id, lane)
        }
        return nil
    }

    /// A sender without case and without the extension that mailing lists give each recipient (`list+user=domain@site`).
    public static func senderKey(_ sender: MailAddress) -> String {
        let local = sender.localPart.prefix { $0 != UInt8(ascii: "+") }.map(ASCII.lowercased)
        return String(decoding: local + [UInt8(ascii: "@")] + sender.domainKey, as: UTF8.self)
    }

    private func isLarge(_ recipients: Int) -> Bool { recipients > recipientLimit / 10 && isShared }

    private func mayEnter(_ lane: Lane, from origin: Lane?, recipients: Int) -> Bool {
        let own = holdings[lane] ?? Holding()
        switch lane {
        case .sender, .destination:
            let counted = isLarge(recipients) ? 0 : recipients
            // Who has little with this one may use the reserve.
            if own.messages < max(1, messageLimit / 1000) && own.recipients + counted <= max(1, recipientLimit / 1000) { return true }
            return own.messages < messageLimit - messages - messageLimit / 10
                && own.recipients < recipientLimit - self.recipients - recipientLimit / 10
        case .transport(let name): return own.recipients < max(1, transportLimit(name))
        // From its lane it comes when no other is active, so that none is passed over for ever.
        case .large: return largeRecipients == 0 || origin != .large && largeRecipients + recipients <= recipientLimit
        }
    }

    private mutating func count(_ ticket: Ticket, _ sign: Int) {
        messages += sign
        let isLarge = isLarge(ticket.recipients)
        if isLarge { largeRecipients += sign * ticket.recipients } else { recipients += sign * ticket.recipients }
        var holders: [Lane] = [.sender(ticket.sender)]
        if let destination = ticket.destination { holders.append(.destination(destination)) }
        if let transport = ticket.transport { holders.append(.transport(transport)) }
        for holder in holders {
            holdings[holder, default: Holding()].messages += sign
            if !isLarge { holdings[holder, default: Holding()].recipients += sign * ticket.recipients }
            if holdings[holder]?.messages == 0 { holdings[holder] = nil }
        }
    }
}

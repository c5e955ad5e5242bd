// Who may be among the active messages: shares of senders and destinations, and lanes for what waits for its share.
//
// The active messages are bounded (qmgr_message_active_limit). Without shares one flood fills them, and everything else waits until the
// flood is gone. Here a sender, and a destination, may have as many active messages as are still free beyond a reserve; so n floods have
// 1/(n+1) of the room each, and as much is left. The reserve is only for those who have very few. Messages with very many recipients are
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

    private let messageLimit: Int
    private let recipientLimit: Int
    private let transportLimit: @Sendable (String) -> Int
    public private(set) var messages = 0
    /// Recipients of messages that are not large.
    private var recipients = 0
    private var largeRecipients = 0
    private var messagesOf: [Lane: Int] = [:]
    private var recipientsOfTransport: [String: Int] = [:]
    private var lanes: [Lane: FirstInFirstOut<QueueID>] = [:]
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
    /// Whoever has fewer active messages may use the reserve.
    private var few: Int { max(1, messageLimit / 1000) }
    private var reserve: Int { messageLimit / 10 }

    /// The lane in which a message must wait; nil where it may enter.
    ///
    /// - Parameter lane: the lane from which it comes; nil for one that was not in any, which stands behind those that wait for the same.
    public func lane(for ticket: Ticket, from lane: Lane? = nil) -> Lane? {
        guard isShared else { return nil }
        var asked: [Lane] = [.sender(ticket.sender)]
        if let destination = ticket.destination { asked.append(.destination(destination)) }
        if isLarge(ticket) {
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
    public mutating func wait(_ id: QueueID, in lane: Lane) {
        if lanes[lane] == nil { ring.append(lane) }
        lanes[lane, default: FirstInFirstOut()].append(id)
    }

    /// The next message that is to be read again because its lane may have another in. The caller skips those that left meanwhile.
    public mutating func nextWaiting() -> (id: QueueID, lane: Lane)? {
        for _ in 0..<min(ActiveShares.lanesAtATime, ring.count) {
            guard let lane = ring.popFirst() else { return nil }
            guard mayEnter(lane, from: lane, recipients: 0), let id = lanes[lane]?.popFirst() else {
                ring.append(lane)
                continue
            }
            if lanes[lane]?.isEmpty == false { ring.append(lane) } else { lanes[lane] = nil }
            return (id, lane)
        }
        return nil
    }

    /// A sender without case and without the extension that mailing lists give each recipient (`list+user=domain@site`).
    public static func senderKey(_ sender: MailAddress) -> String {
        let local = sender.localPart.prefix { $0 != UInt8(ascii: "+") }.map(ASCII.lowercased)
        return String(decoding: local + [UInt8(ascii: "@")] + sender.domainKey, as: UTF8.self)
    }

    private func isLarge(_ ticket: Ticket) -> Bool { ticket.recipients > recipientLimit / 10 && isShared }

    private func mayEnter(_ lane: Lane, from origin: Lane?, recipients: Int) -> Bool {
        switch lane {
        case .sender, .destination:
            let own = messagesOf[lane] ?? 0
            return own < few || own < messageLimit - messages - reserve
        case .transport(let name): return recipientsOfTransport[name, default: 0] < max(1, transportLimit(name))
        // From its lane it comes when no other is active, so that none is passed over for ever.
        case .large: return largeRecipients == 0 || origin != .large && largeRecipients + recipients <= recipientLimit
        }
    }

    private mutating func count(_ ticket: Ticket, _ sign: Int) {
        messages += sign
        if isLarge(ticket) { largeRecipients += sign * ticket.recipients } else { recipients += sign * ticket.recipients }
        add(sign, to: .sender(ticket.sender))
        if let destination = ticket.destination { add(sign, to: .destination(destination)) }
        guard let transport = ticket.transport, !isLarge(ticket) else { return }
        let sum = recipientsOfTransport[transport, default: 0] + sign * ticket.recipients
        recipientsOfTransport[transport] = sum == 0 ? nil : sum
    }

    private mutating func add(_ count: Int, to lane: Lane) {
        let sum = messagesOf[lane, default: 0] + count
        messagesOf[lane] = sum == 0 ? nil : sum
    }
}

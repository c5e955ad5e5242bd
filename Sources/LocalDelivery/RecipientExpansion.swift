// One recipient of one delivery request: through aliases, `.forward` and `:include:` to mailboxes, files, commands and other addresses.
//
// Every end of an expansion is attempted and logged on its own; the recipient's outcome is the worst of them. A retry repeats them all, as
// in Postfix: mail may arrive twice at those that worked, never not at all. Cycles end at names already on the way down (which then mean
// the mailbox itself), at Delivered-To fields, and at `alias_expansion_limit`.

import AddressRouting
import LookupTables
import MailModel
import SystemKit

/// The expansion of one recipient.
final class RecipientExpansion {
    private let agent: LocalDeliverer
    private let top: EnvelopeRecipient
    /// Addresses that are to get the message as a new one, by the sender that it will have, in order.
    private(set) var forwards: [(sender: MailAddress, isOwner: Bool, recipients: [MailAddress])] = []
    private var steps = 0

    /// How the expansion came to where it is.
    private struct Path {
        var sender: MailAddress
        /// The sender of the message itself.
        let original: MailAddress
        /// `owner-NAME` took the place of the sender.
        var isOwner = false
        /// Whose rights files and commands get: the user whose `.forward` named them; nil for `default_privs`.
        var user: DeliveryIdentity?
        var source: LocalSettings.Source?
        var aliases: Set<[UInt8]> = []
        var forwardsOf: Set<[UInt8]> = []
        var depth = 0
    }

    private static let maximumDepth = 100

    init(_ recipient: EnvelopeRecipient, agent: LocalDeliverer) {
        top = recipient
        self.agent = agent
    }

    /// Does all that is to be done here, and gathers what is to be forwarded.
    func run(sender: MailAddress) -> [RecipientOutcome] { local(top.address, Path(sender: sender, original: sender)) }

    // MARK: Addresses

    private func address(_ address: MailAddress, _ path: Path) -> [RecipientOutcome] {
        switch agent.tables.route(address) {
        case .failed(let status, let reason): return [report(address, .bounced, status, reason)]
        case .deferred(let status, let reason): return [report(address, .deferred, status, reason)]
        case .route(let route):
            if route.transport == agent.transport { return local(route.recipient, path) }
            if let index = forwards.firstIndex(where: { $0.sender == path.sender }) {
                if !forwards[index].recipients.contains(route.recipient) { forwards[index].recipients.append(route.recipient) }
            } else {
                forwards.append((path.sender, path.isOwner, [route.recipient]))
            }
            return []
        }
    }

    private func local(_ address: MailAddress, _ path: Path) -> [RecipientOutcome] {
        if let trouble = limitReached(address, path) { return [trouble] }
        // RFC 5321 section 6.3: loops are to be detected and stopped.
        if agent.trail.contains(address) {
            return [report(address, .bounced, EnhancedStatusCode(5, 4, 6), "mail forwarding loop for \(address.logForm)")]
        }
        if address.localPart.first == UInt8(ascii: "\\") {
            let plain = MailAddress(localPart: Array(address.localPart.dropFirst()), domain: address.domain)
            return mailbox(plain, part(plain.localPart), path)
        }
        let part = part(address.localPart)
        do throws(LookupError) {
            for key in part.aliasKeys where !path.aliases.contains(key) {
                if let value = try agent.tables.alias(key) { return try alias(key, value, address, path) }
            }
        } catch {
            agent.warn("\(error)")
            return [report(address, .deferred, EnhancedStatusCode(4, 3, 0), "alias database unavailable")]
        }
        return user(address, part, path)
    }

    private func part(_ localPart: [UInt8]) -> LocalPart {
        LocalPart(localPart, delimiters: agent.settings.recipientDelimiter, ownerIsSpecial: agent.settings.ownerIsSpecial)
    }

    private func alias(_ key: [UInt8], _ value: [UInt8], _ address: MailAddress, _ path: Path) throws(LookupError) -> [RecipientOutcome] {
        let items = ExpansionItem.list(aliasValue: value)
        guard !items.isEmpty else {
            return [report(address, .deferred, EnhancedStatusCode(4, 3, 5), "alias \(ASCII.printable(key)) has an empty expansion")]
        }
        var next = path
        next.depth += 1
        next.aliases.insert(key)
        next.source = .alias
        next.user = nil
        // aliases(5): owner-NAME takes the place of the sender. A report (null sender) stays one: its errors go to nobody.
        let owner = Array("owner-".utf8) + key
        if !path.sender.isNull, !key.starts(with: "owner-".utf8), agent.settings.ownerIsSpecial,
            let expansion = try agent.tables.alias(owner)
        {
            next.sender = ownerAddress(owner, expansion, domain: address.domain)
            next.isOwner = true
        } else if agent.settings.resetsOwnerAlias && path.isOwner {
            next.sender = path.original
            next.isOwner = false
        }
        return expand(items, address, next)
    }

    /// The sender of a list's mail: `owner-list`, or with `expand_owner_alias` the address that it stands for.
    private func ownerAddress(_ owner: [UInt8], _ expansion: [UInt8], domain: [UInt8]) -> MailAddress {
        if agent.settings.expandsOwnerAlias, case .address(var target)? = ExpansionItem.list(aliasValue: expansion).first {
            if target.domain.isEmpty { target.domain = domain }
            return target
        }
        return MailAddress(localPart: owner, domain: domain)
    }

    private func expand(_ items: [ExpansionItem], _ address: MailAddress, _ path: Path) -> [RecipientOutcome] {
        var outcomes: [RecipientOutcome] = []
        for item in items {
            if let trouble = limitReached(address, path) { return outcomes + [trouble] }
            outcomes += self.item(item, address, path)
        }
        return outcomes
    }

    private func item(_ item: ExpansionItem, _ address: MailAddress, _ path: Path) -> [RecipientOutcome] {
        switch item {
        case .address(let target): return self.address(target, path)
        case .mailbox(let user):
            let target = MailAddress(localPart: user, domain: address.domain)
            return mailbox(target, part(user), path)
        case .file(let name):
            guard let source = path.source, agent.settings.fileSources.contains(source) else {
                return [report(address, .bounced, EnhancedStatusCode(5, 7, 1), "mail to file is restricted")]
            }
            return [finish(address, agent.file(name, as: path.user, address: address, top: top, sender: path.sender))]
        case .command(let command):
            guard let source = path.source, agent.settings.commandSources.contains(source) else {
                return [report(address, .bounced, EnhancedStatusCode(5, 7, 1), "mail to command is restricted")]
            }
            return [finish(address, agent.command(command, as: path.user, address: address, top: top, sender: path.sender))]
        case .include(let name): return include(name, address, path)
        case .malformed(let text):
            let shown = ASCII.printable(text, limit: 100)
            return [
                report(address, .deferred, EnhancedStatusCode(4, 3, 5), "malformed item in the expansion of \(address.logForm): \(shown)")
            ]
        }
    }

    private func include(_ name: [UInt8], _ address: MailAddress, _ path: Path) -> [RecipientOutcome] {
        guard let file = String(validating: name, as: UTF8.self), file.hasPrefix("/"), !name.contains(0) else {
            let reason = "unable to process :include: with relative path name: \(ASCII.printable(name, limit: 100))"
            return [report(address, .bounced, EnhancedStatusCode(5, 3, 5), reason)]
        }
        do throws(SystemError) {
            let items = try ExpansionFile.include(file, as: path.user ?? agent.tables.defaultIdentity)
            var next = path
            next.depth += 1
            next.source = .include
            return expand(items, address, next)
        } catch {
            return [report(address, .deferred, EnhancedStatusCode(4, 2, 4), "unable to process :include: file: \(error)")]
        }
    }

    // MARK: Users

    private func user(_ address: MailAddress, _ part: LocalPart, _ path: Path) -> [RecipientOutcome] {
        do throws(SystemError) {
            guard let user = try account(part) else { return mailbox(address, part, path) }
            if !path.forwardsOf.contains(part.user), let outcomes = try forward(user, address, part, path) { return outcomes }
        } catch {
            return [report(address, .deferred, EnhancedStatusCode(4, 3, 0), "\(error)")]
        }
        return mailbox(address, part, path)
    }

    private func account(_ part: LocalPart) throws(SystemError) -> UserRecord? {
        // A name with a slash or a control byte is no login name, whatever a directory server makes of it.
        guard let name = String(validating: part.user, as: UTF8.self),
            part.user.allSatisfy({ $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "/") })
        else { return nil }
        return try agent.tables.user(name)
    }

    private func forward(
        _ user: UserRecord, _ address: MailAddress, _ part: LocalPart, _ path: Path
    ) throws(SystemError) -> [RecipientOutcome]? {
        let identity = DeliveryIdentity.of(user)
        for file in ForwardPath.candidates(agent.settings, user: user, part: part, address: address) {
            switch try ExpansionFile.forward(file, of: identity) {
            case .none: continue
            case .rejected(let reason): agent.warn("\(reason); ignored")
            case .items(let items):
                var next = path
                next.depth += 1
                next.forwardsOf.insert(part.user)
                next.source = .forward
                next.user = identity
                return expand(items, address, next)
            }
        }
        return nil
    }

    private func mailbox(_ address: MailAddress, _ part: LocalPart, _ path: Path) -> [RecipientOutcome] {
        // Postfix mailbox.c: another agent's mailboxes need not belong to accounts of this system.
        if let outcomes = handOver(
            address, part, path, table: agent.tables.mailboxTransport, otherwise: agent.settings.mailboxTransport, "mailbox_transport_maps")
        {
            return outcomes
        }
        do throws(SystemError) {
            guard let user = try account(part) else { return unknown(address, part, path) }
            return [finish(address, agent.mailbox(of: user, part: part, address: address, top: top, sender: path.sender))]
        } catch {
            return [report(address, .deferred, EnhancedStatusCode(4, 3, 0), "\(error)")]
        }
    }

    /// The transport of a table or parameter takes the address; nil where neither names one.
    private func handOver(
        _ address: MailAddress, _ part: LocalPart, _ path: Path, table: ([UInt8]) throws(LookupError) -> [UInt8]?, otherwise: String,
        _ tableName: String
    ) -> [RecipientOutcome]? {
        var text = otherwise
        do throws(LookupError) {
            if let found = try table(part.user) { text = String(decoding: found, as: UTF8.self) }
        } catch {
            agent.warn("\(error)")
            return [report(address, .deferred, EnhancedStatusCode(4, 3, 0), "\(tableName) lookup failure")]
        }
        guard let target = HandOffTarget(text) else { return nil }
        return [agent.transport(target, address: address, top: top, sender: path.sender)]
    }

    private func unknown(_ address: MailAddress, _ part: LocalPart, _ path: Path) -> [RecipientOutcome] {
        if let outcomes = handOver(
            address, part, path, table: agent.tables.fallbackTransport, otherwise: agent.settings.fallbackTransport,
            "fallback_transport_maps")
        {
            return outcomes
        }
        let relay = agent.settings.luserRelay
        if !relay.isEmpty, path.depth < Self.maximumDepth {
            var next = path
            next.depth += 1
            guard let target = ForwardPath.luserRelay(agent.settings, part: part, address: address) else {
                return [report(address, .deferred, EnhancedStatusCode(4, 3, 5), "luser_relay is not usable: \(relay)")]
            }
            // The relay's own name unknown would come back here for ever.
            if target != address && !path.aliases.contains(target.internalForm) {
                next.aliases.insert(target.internalForm)
                return self.address(target, next)
            }
        }
        return [report(address, .bounced, EnhancedStatusCode(5, 1, 1), "unknown user: \"\(ASCII.printable(part.whole))\"")]
    }

    // MARK: Results

    private func limitReached(_ address: MailAddress, _ path: Path) -> RecipientOutcome? {
        steps += 1
        if path.depth > Self.maximumDepth {
            return report(address, .bounced, EnhancedStatusCode(5, 4, 6), "unreasonable forwarding nesting for \(address.logForm)")
        }
        if steps > 4 * agent.settings.expansionLimit + 100 {
            return report(
                address, .bounced, EnhancedStatusCode(5, 4, 6), "more than \(agent.settings.expansionLimit) recipients in an expansion")
        }
        return nil
    }

    private func report(
        _ address: MailAddress, _ action: RecipientOutcome.Action, _ status: EnhancedStatusCode, _ reason: String
    ) -> RecipientOutcome {
        finish(address, RecipientOutcome(action, status, reason, relay: "local"))
    }

    private func finish(_ address: MailAddress, _ outcome: RecipientOutcome) -> RecipientOutcome {
        agent.record(address, top: top, outcome)
        return outcome
    }
}

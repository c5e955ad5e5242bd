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
    let agent: LocalDeliverer
    let top: EnvelopeRecipient
    /// Addresses that are to get the message as a new one, by the sender that it will have, in order.
    private(set) var forwards: [(sender: MailAddress, isOwner: Bool, recipients: [MailAddress])] = []
    private var steps = 0

    /// How the expansion came to where it is.
    struct Path {
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

    static let maximumDepth = 100

    init(_ recipient: EnvelopeRecipient, agent: LocalDeliverer) {
        top = recipient
        self.agent = agent
    }

    /// Does all that is to be done here, and gathers what is to be forwarded.
    func run(sender: MailAddress) -> [RecipientOutcome] { local(top.address, Path(sender: sender, original: sender)) }

    // MARK: Addresses

    func address(_ address: MailAddress, _ path: Path) -> [RecipientOutcome] {
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

    func part(_ localPart: [UInt8]) -> LocalPart {
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

    func expand(_ items: [ExpansionItem], _ address: MailAddress, _ path: Path) -> [RecipientOutcome] {
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

    func report(
        _ address: MailAddress, _ action: RecipientOutcome.Action, _ status: EnhancedStatusCode, _ reason: String
    ) -> RecipientOutcome {
        finish(address, RecipientOutcome(action, status, reason, relay: "local"))
    }

    func finish(_ address: MailAddress, _ outcome: RecipientOutcome) -> RecipientOutcome {
        agent.record(address, top: top, outcome)
        return outcome
    }
}

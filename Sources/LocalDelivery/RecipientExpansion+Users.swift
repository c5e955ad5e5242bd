// What the expansion does with the name of a user: his `.forward`, the mailboxes of another agent, his own, and who gets mail for nobody.

import LookupTables
import MailModel
import SystemKit

extension RecipientExpansion {
    func user(_ address: MailAddress, _ part: LocalPart, _ path: Path) -> [RecipientOutcome] {
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

    func mailbox(_ address: MailAddress, _ part: LocalPart, _ path: Path) -> [RecipientOutcome] {
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
}

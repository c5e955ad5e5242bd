// Where an address ends on this host: a mailbox, a file, a command, another agent. Each gets a message once.
//
// Security: everything is done with the rights of whom it is for. No command and no file that an expansion names gets those of root, not even
// root's own: `default_privs` then.

import LookupTables
import MailConfiguration
import MailModel
import SystemKit

extension LocalDeliverer {
    /// A user's own mailbox: a command of the administrator, a mailbox in the home, or the mail spool.
    func mailbox(
        of user: UserRecord, part: LocalPart, address: MailAddress, top: EnvelopeRecipient, sender: MailAddress
    ) -> RecipientOutcome {
        once(.mailbox(user.name)) {
            let identity = DeliveryIdentity.of(user)
            if settings.requireHomeDirectory {
                do throws(SystemError) {
                    _ = try identity.perform { () throws(SystemError) in try Files.status(of: user.home) }
                } catch {
                    return RecipientOutcome(
                        .deferred, EnhancedStatusCode(4, 3, 0), "cannot access home directory: \(error)", relay: "local")
                }
            }
            let command: [UInt8]
            do throws(LookupError) {
                command = try tables.mailboxCommand(part.user) ?? Array(settings.mailboxCommand.utf8)
            } catch {
                warn("\(error)")
                return RecipientOutcome(.deferred, EnhancedStatusCode(4, 3, 0), "mailbox_command_maps lookup failure", relay: "local")
            }
            if !command.isEmpty {
                return run(
                    command, as: identity, user: user, part: part, address: address, top: top, sender: sender,
                    withDeliveredTo: true)
            }
            if settings.homeMailbox.isEmpty {
                return mbox("\(settings.mailSpoolDirectory)/\(user.name)", as: identity, isSpool: true, address, top, sender, "mailbox")
            }
            let path = "\(user.home)/\(settings.homeMailbox)"
            if path.hasSuffix("/") { return maildir(path, as: identity, address, top, sender) }
            return mbox(path, as: identity, isSpool: false, address, top, sender, "mailbox")
        }
    }

    /// Another agent delivers to this address, and logs what came of it.
    func transport(_ target: HandOffTarget, address: MailAddress, top: EnvelopeRecipient, sender: MailAddress) -> RecipientOutcome {
        once(.transport(target, address)) {
            var recipient = top
            recipient.originalAddress = top.originalAddress ?? (top.address == address ? nil : top.address)
            recipient.address = address
            beforeLongWork()
            return handOver(HandOff(target: target, sender: sender, recipient: recipient), content)
        }
    }

    /// `/path` in an expansion: an mbox file, or a Maildir where it ends with a slash.
    func file(
        _ name: [UInt8], as user: DeliveryIdentity?, address: MailAddress, top: EnvelopeRecipient, sender: MailAddress
    ) -> RecipientOutcome {
        let identity = user ?? tables.defaultIdentity
        return once(.file(name, identity.user)) {
            guard let path = String(validating: name, as: UTF8.self) else {
                return RecipientOutcome(.deferred, EnhancedStatusCode(4, 3, 5), "the file name is not UTF-8", relay: "local")
            }
            // Common in alias files for mail that nobody wants.
            if path == "/dev/null" {
                return RecipientOutcome(.delivered, EnhancedStatusCode(2, 0, 0), "delivered to file: /dev/null", relay: "local")
            }
            // Postfix file.c: root's files are written with the rights of default_privs.
            let writer = identity.user == 0 && Privileges.isRoot ? tables.defaultIdentity : identity
            if path.hasSuffix("/") { return maildir(path, as: writer, address, top, sender) }
            return mbox(path, as: writer, isSpool: false, address, top, sender, "file: \(ASCII.printable(name, limit: 256))")
        }
    }

    /// `|command` in an expansion.
    func command(
        _ command: [UInt8], as user: DeliveryIdentity?, address: MailAddress, top: EnvelopeRecipient, sender: MailAddress
    ) -> RecipientOutcome {
        let identity = user ?? tables.defaultIdentity
        return once(.command(command, identity.user)) {
            let part = LocalPart(address.localPart, delimiters: settings.recipientDelimiter)
            let owner = user.map { UserRecord(name: $0.name, uid: $0.user, gid: $0.group, home: $0.home, shell: $0.shell, gecos: "") }
            return run(
                command, as: identity, user: owner, part: part, address: address, top: top, sender: sender,
                withDeliveredTo: settings.deliveredHeaders.contains("command"))
        }
    }

    private func once(_ destination: Destination, _ work: () -> RecipientOutcome) -> RecipientOutcome {
        if let outcome = done[destination] { return outcome }
        let outcome = work()
        done[destination] = outcome
        return outcome
    }

    private func run(
        _ command: [UInt8], as identity: DeliveryIdentity, user: UserRecord?, part: LocalPart, address: MailAddress, top: EnvelopeRecipient,
        sender: MailAddress, withDeliveredTo: Bool
    ) -> RecipientOutcome {
        beforeLongWork()
        // No command runs as root, not even root's own (Postfix mailbox.c).
        let runner = identity.user == 0 && Privileges.isRoot ? tables.defaultIdentity : identity
        let environment = CommandEnvironment(
            sender: sender, recipient: address, originalRecipient: top.originalAddress ?? top.address, localPart: part,
            client: message.envelope.client, user: user.map { ($0.name, $0.home, $0.shell) },
            timeZone: nil, path: LocalSettings.commandPath,
            exported: EnvironmentList.variables(settings.exportEnvironment) { ProcessSpawn.environmentVariable($0) })
        let delivery = CommandDelivery(
            command: command, shell: settings.commandShell, identity: runner,
            environment: environment.variables(allowed: LocalSettings.safeCharacters),
            directory: ForwardPath.commandDirectory(settings, user: user, part: part, address: address) ?? user?.home ?? "/",
            timeLimit: settings.commandTimeLimit, helperPath: helperPath)
        let form: MailboxForm = withDeliveredTo ? .command : [.fromLine]
        return delivery.deliver(content, header: header(form, address: address, top: top, sender: sender), form: form)
    }

    private func maildir(
        _ path: String, as identity: DeliveryIdentity, _ address: MailAddress, _ top: EnvelopeRecipient, _ sender: MailAddress
    ) -> RecipientOutcome {
        let form = fileForm([], withDeliveredTo: true)
        if settings.mailboxSizeLimit > 0, content.length > settings.mailboxSizeLimit { return LocalDeliverer.tooLarge(path) }
        let delivery = MaildirDelivery(path: path, identity: identity, hostName: settings.myhostname, time: now())
        do throws(SystemError) {
            entries.append(
                try delivery.deliver(content, header: header(form, address: address, top: top, sender: sender), form: form, into: batch))
            return RecipientOutcome(.delivered, EnhancedStatusCode(2, 0, 0), "delivered to maildir", relay: "local")
        } catch {
            return LocalDeliverer.trouble(error, "maildir delivery failed: \(error)")
        }
    }

    private func mbox(
        _ path: String, as identity: DeliveryIdentity, isSpool: Bool, _ address: MailAddress, _ top: EnvelopeRecipient,
        _ sender: MailAddress,
        _ what: String
    ) -> RecipientOutcome {
        // It may have to wait for a lock.
        beforeLongWork()
        let form = fileForm([.fromLine, .quoting, .finalBlank], withDeliveredTo: isSpool)
        let delivery = MboxDelivery(
            path: path, identity: identity, settings: settings, isSpool: isSpool, now: now,
            pause: { seconds in _ = try? Polling.wait([], milliseconds: seconds * 1000) })
        do throws(MboxDelivery.Failure) {
            try delivery.deliver(content, header: header(form, address: address, top: top, sender: sender), form: form)
            return RecipientOutcome(.delivered, EnhancedStatusCode(2, 0, 0), "delivered to \(what)", relay: "local")
        } catch {
            switch error {
            case .tooLarge: return LocalDeliverer.tooLarge(path)
            case .unsafe(let reason): return RecipientOutcome(.deferred, EnhancedStatusCode(4, 2, 0), reason, relay: "local")
            case .system(let error): return LocalDeliverer.trouble(error, "cannot update mailbox \(path). \(error)")
            }
        }
    }

    private func fileForm(_ form: MailboxForm, withDeliveredTo: Bool) -> MailboxForm {
        withDeliveredTo || settings.deliveredHeaders.contains("file") ? form.union(.deliveredTo) : form
    }

    private func header(_ form: MailboxForm, address: MailAddress, top: EnvelopeRecipient, sender: MailAddress) -> [UInt8] {
        let seconds = now() / 1_000_000
        let date = form.contains(.fromLine) ? DeliveryHeader.asctime(seconds: seconds, offset: SystemClock.localOffset(at: seconds)) : ""
        let original = settings.showsOriginalRecipient ? top.originalAddress ?? top.address : nil
        return DeliveryHeader(sender: sender, originalRecipient: original, recipient: top.address).bytes(form, date: date)
    }

    private static func tooLarge(_ path: String) -> RecipientOutcome {
        RecipientOutcome(
            .bounced, EnhancedStatusCode(5, 2, 2), "cannot update mailbox \(path). mailbox size limit exceeded", relay: "local")
    }

    /// RFC 3463 section 3.3: X.2.2 mailbox full, X.3.1 mail system full, X.2.0 other.
    static func trouble(_ error: SystemError, _ reason: String) -> RecipientOutcome {
        let status =
            error.isQuotaExceeded
            ? EnhancedStatusCode(4, 2, 2) : error.isOutOfSpace ? EnhancedStatusCode(4, 3, 1) : EnhancedStatusCode(4, 2, 0)
        return RecipientOutcome(.deferred, status, reason, relay: "local")
    }
}

extension SystemError {
    /// EDQUOT
    fileprivate var isQuotaExceeded: Bool { errno == 122 }
}

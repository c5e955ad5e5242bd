// The content of a message on its way to cleanup, and the reply that follows it.
//
// Security: 250 is said only with a queue id in hand (DESIGN.md, section 1.1).

import MailIPC
import MailLog
import MailModel
import SMTPProtocol
import ServiceKit
import TLS

extension ServerSession {
    func startContent(_ transaction: SMTPTransaction) {
        let refusal = gate.dataRefusal(
            sender: transaction.mail.sender, senderVerdict: senderVerdict, helo: session.heloName)
        answer(refusal, verb: .data, recipient: transaction.recipients.count == 1 ? transaction.recipients.first?.recipient : nil)
    }

    func takeContent() async {
        guard let transaction = session.transaction else { return }
        let content = session.takeContent()
        await opened(transaction).send(content)
    }

    /// Beside `client=`: whose message it is and how it came.
    private func clientFields(_ transaction: SMTPTransaction) -> LogFields {
        var fields = client.logFields("client")
        fields.add("protocol", .text(session.logProtocol))
        fields.add("helo", ifAny: session.heloName)
        fields.add("sender", .text(transaction.mail.sender.logForm))
        fields.add("nrcpt", .number(Int64(transaction.recipients.count)))
        return fields
    }

    func finish(_ transaction: SMTPTransaction) async {
        let content = session.takeContent()
        let sender = transaction.mail.sender
        if let refusal = gate.endOfDataRefusal(sender: sender, senderVerdict: senderVerdict, helo: session.heloName) {
            cancelSubmission()
            let reply = gate.softened(refusal)
            gate.logReject("END-OF-MESSAGE", reply, session, recipient: nil)
            return session.answer(reply)
        }
        let result = await opened(transaction).commit(content)
        submission = nil
        switch result {
        case .queued(let id):
            session.answer(SMTPReply(250, EnhancedStatusCode(2, 0, 0), "Ok: queued as \(id)"))
        case .refused(let reply):
            gate.logReject(
                "END-OF-MESSAGE", reply, session,
                recipient: transaction.recipients.count == 1 ? transaction.recipients.first?.recipient : nil)
            // A "refusal" that is no refusal would be a lie about durability.
            session.answer(reply.code >= 400 ? reply : SMTPReply(451, EnhancedStatusCode(4, 3, 0), "Error: queue file write error"))
        case .unavailable(let reason):
            log.warning("cannot queue mail from \(client.logText): \(gate.cleanupName): \(reason)")
            session.answer(SMTPReply(451, EnhancedStatusCode(4, 3, 0), "Error: queue file write error"))
        }
    }

    private func opened(_ transaction: SMTPTransaction) -> any Submission {
        if let submission { return submission }
        let line = LogAnnouncement(log, "client=\(client.logText)", fields: clientFields(transaction))
        let opened = queue.submit(envelope(transaction), line)
        submission = opened
        return opened
    }

    func cancelSubmission() {
        submission?.cancel()
        submission = nil
    }

    private func envelope(_ transaction: SMTPTransaction) -> Envelope {
        let facts = client.facts(
            protocolName: session.protocolName, helo: session.heloName, tls: settings.showsTLS ? tls?.receivedComment ?? "" : "")
        return Envelope(
            sender: transaction.mail.sender,
            recipients: transaction.recipients.map {
                EnvelopeRecipient($0.recipient, originalRecipient: $0.originalRecipient, notify: $0.notify)
            },
            origin: gate.isHeaderRewriteClient ? .localSMTP : .remoteSMTP, arrival: arrival,
            client: facts,
            envelopeID: transaction.mail.envelopeID, returnContent: transaction.mail.returnContent, body: transaction.mail.body,
            isSMTPUTF8: transaction.mail.isSMTPUTF8)
    }
}

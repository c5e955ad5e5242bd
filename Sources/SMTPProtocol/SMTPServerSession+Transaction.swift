// The commands of a transaction, MAIL, RCPT and DATA: whether they may come now, and whether they are right; the driver is asked about the rest.

public import MailModel

extension SMTPServerSession {
    mutating func mail(_ arguments: ArraySlice<UInt8>) {
        if policy.isHeloRequired && heloName.isEmpty { return respond(Self.outOfOrder("send HELO/EHLO first")) }
        if transaction != nil { return respond(Self.outOfOrder("nested MAIL command")) }
        do {
            let command = try MailCommand(arguments, grammar: policy.grammar, features: policy.features)
            if let size = command.declaredSize, policy.messageSizeLimit > 0, size > policy.messageSizeLimit {
                let reply = SMTPReply(552, EnhancedStatusCode(5, 3, 4), "Message size exceeds fixed limit")
                pending.append(.note(.rejected(verb: .mail, reply: reply)))
                return respond(reply)
            }
            phase = .asking(.sender(command))
            pending.append(.checkSender(command))
        } catch {
            refuse(error, .mail, arguments)
        }
    }

    /// Recipients in the commands that the client has sent already behind this one, so that they can be looked up together. A guess: what becomes of
    /// the commands is decided when it is their turn.
    ///
    /// Half as many after each error: nobody remembers a refusal, so that a client that guesses names would have all of them looked up again and again.
    public func upcomingRecipients(limit: Int) -> [MailAddress] {
        guard let transaction, policy.commandFilter == nil else { return [] }
        let limit = limit >> min(errorCount, 62)
        var found: [MailAddress] = []
        var rest = input[position...]
        while found.count < limit, let end = rest.firstIndex(of: 0x0A) {
            var line = rest[..<end]
            rest = rest[(end + 1)...]
            if line.last == 0x0D { line = line.dropLast() }
            guard line.count <= policy.lineLengthLimit, let arguments = line.afterKeyword("RCPT "),
                let command = try? RcptCommand(
                    arguments, grammar: policy.grammar, features: policy.features, isSMTPUTF8: transaction.mail.isSMTPUTF8)
            else { break }
            found.append(command.recipient)
        }
        return found
    }

    mutating func recipient(_ arguments: ArraySlice<UInt8>) {
        guard let transaction else { return respond(Self.outOfOrder("need MAIL command")) }
        guard !transaction.usesChunks else { return respond(Self.outOfOrder("RCPT after BDAT")) }
        do {
            let command = try RcptCommand(
                arguments, grammar: policy.grammar, features: policy.features, isSMTPUTF8: transaction.mail.isSMTPUTF8)
            lastRecipient = command.recipient
            guard policy.recipientLimit <= 0 || transaction.recipients.count < policy.recipientLimit else { return tooManyRecipients() }
            phase = .asking(.recipient(command))
            pending.append(.checkRecipient(command))
        } catch {
            refuse(error, .rcpt, arguments)
        }
    }

    /// RFC 5321 section 4.5.3.1.10: 452, and the client sends the rest in another transaction; so that it is no error of the client.
    private mutating func tooManyRecipients() {
        transaction?.refusedRecipients += 1
        let over = transaction?.refusedRecipients ?? 0
        respond(SMTPReply(452, EnhancedStatusCode(4, 5, 3), "Error: too many recipients"))
        if over <= policy.recipientOvershootLimit { errorCount -= 1 }
    }

    mutating func data(_ arguments: ArraySlice<UInt8>) {
        guard arguments.isEmpty else { return respond(Self.syntax("DATA")) }
        if let refusal = contentRefusal(chunked: false) { return respond(refusal) }
        guard let transaction else { return }
        phase = .asking(.startData)
        pending.append(.startContent(transaction))
    }

    /// Why content may not come now; nil where it may.
    func contentRefusal(chunked: Bool) -> SMTPReply? {
        guard let transaction else { return Self.outOfOrder(chunked ? "need MAIL command" : "need RCPT command") }
        guard !transaction.recipients.isEmpty else {
            return transaction.refusedRecipients > 0
                ? SMTPReply(554, EnhancedStatusCode(5, 5, 1), "Error: no valid recipients") : Self.outOfOrder("need RCPT command")
        }
        guard !chunked else { return nil }
        if transaction.usesChunks { return Self.outOfOrder("DATA after BDAT") }
        // RFC 3030 section 3: DATA cannot carry BINARYMIME.
        if transaction.mail.body == .binaryMIME { return Self.outOfOrder("BODY=BINARYMIME requires BDAT") }
        return nil
    }

    private mutating func refuse(_ error: SMTPCommandError, _ verb: SMTPVerb, _ arguments: ArraySlice<UInt8>) {
        if error.reply.enhanced == EnhancedStatusCode(5, 1, 7) || error.reply.enhanced == EnhancedStatusCode(5, 1, 3) {
            pending.append(.note(.illegalAddress(verb: verb, text: ASCII.printable(arguments, limit: 256))))
        }
        respond(error.reply)
    }
}

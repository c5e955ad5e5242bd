// Content after DATA and in BDAT chunks, and the answers of the driver.

public import MailModel

extension SMTPServerSession {
    /// BDAT: whatever is wrong with it, as many bytes as it names follow and are not commands.
    mutating func chunk(_ arguments: ArraySlice<UInt8>, refusal: SMTPReply?) {
        let command: BdatCommand
        do {
            command = try BdatCommand(arguments)
        } catch {
            // Without the size nobody can tell content from commands; to read on would let a message give commands.
            respond(error.reply)
            return close(.framingLost)
        }
        guard policy.features.contains(.chunking) else {
            return swallow(command.size, SMTPReply(502, EnhancedStatusCode(5, 5, 1), "Error: command not implemented"))
        }
        if let refusal = refusal ?? contentRefusal(chunked: true) {
            dropTransaction()
            return swallow(command.size, refusal)
        }
        guard let transaction else { return }
        let (total, overflow) = contentCount.addingReportingOverflow(command.size)
        if overflow || (policy.messageSizeLimit > 0 && total > policy.messageSizeLimit) {
            dropTransaction()
            return swallow(command.size, Self.tooLarge)
        }
        if transaction.usesChunks {
            phase = .chunk(remaining: command.size, isLast: command.isLast, size: command.size)
        } else {
            phase = .asking(.startChunk(command))
            pending.append(.startContent(transaction))
        }
    }

    private static let tooLarge = SMTPReply(552, EnhancedStatusCode(5, 3, 4), "Error: message file too big")

    private mutating func swallow(_ size: Int, _ reply: SMTPReply) { phase = .swallowing(remaining: size, reply: reply) }

    /// Takes content after DATA; false where more must come (or where a chunk's worth waits for the driver).
    mutating func readData(_ decoder: inout DataDecoder) -> Bool {
        guard content.count < policy.contentChunkSize, position < input.count else { return false }
        reserveChunk(decoder)
        // At most one chunk's worth at a time, so that a driver that writes slowly holds no more than that.
        let upTo = min(input.count, position + policy.contentChunkSize - content.count)
        let (consumed, isEnd) = decoder.decode(input[position..<upTo], into: &content)
        position += consumed
        return digest(decoder, isEnd: isEnd)
    }

    /// Takes content after DATA from where it was read to, as far as there is room for it: kept for a while in ``input`` it would be copied once more.
    ///
    /// - Returns: how much was taken; 0 where what came is no content, or something comes first.
    mutating func takeData(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard case .data(var decoder) = phase, pending.isEmpty, position == input.count, content.count < policy.contentChunkSize else {
            return 0
        }
        input = []
        position = 0
        reserveChunk(decoder)
        let room = min(bytes.count, policy.contentChunkSize - content.count)
        let (consumed, isEnd) = decoder.decode(UnsafeRawBufferPointer(rebasing: bytes[..<room]), into: &content)
        _ = digest(decoder, isEnd: isEnd)
        return consumed
    }

    /// A message that was larger than most gets room for a whole chunk at once.
    private mutating func reserveChunk(_ decoder: DataDecoder) {
        if content.isEmpty, !decoder.isTooLarge, decoder.count > policy.contentChunkSize / 2 {
            content.reserveCapacity(policy.contentChunkSize)
        }
    }

    /// What came of a stretch of content after DATA; false where more must come, or where a chunk's worth waits for the driver.
    private mutating func digest(_ decoder: DataDecoder, isEnd: Bool) -> Bool {
        phase = .data(decoder)
        if decoder.sawBareNewline && !checkBareNewlineInContent() { return true }
        if decoder.isTooLarge { content = [] }
        guard isEnd else { return content.count < policy.contentChunkSize && position < input.count }
        place = "END-OF-MESSAGE"
        if decoder.isTooLarge {
            pending.append(.abandonContent)
            finishTransaction(Self.tooLarge)
        } else {
            askEnd(.data)
        }
        return true
    }

    /// Takes content of a chunk; false as in ``readData(_:)``.
    mutating func readChunk() -> Bool {
        guard case .chunk(let remaining, let isLast, let size) = phase, var decoder = chunkDecoder else {
            phase = .command
            return true
        }
        guard remaining == 0 || (content.count < policy.contentChunkSize && position < input.count) else { return false }
        let taken = min(remaining, input.count - position, policy.contentChunkSize)
        _ = decoder.decode(input[position..<(position + taken)], into: &content)
        position += taken
        if taken == remaining && isLast { decoder.finish(into: &content) }
        chunkDecoder = decoder
        phase = .chunk(remaining: remaining - taken, isLast: isLast, size: size)
        if decoder.sawBareNewline && !checkBareNewlineInContent() { return true }
        guard taken == remaining else { return content.count < policy.contentChunkSize && position < input.count }
        if isLast {
            // Normalising line ends may have made it longer than the sum of its chunks.
            if decoder.isTooLarge {
                dropTransaction()
                finishTransaction(Self.tooLarge)
            } else {
                askEnd(.bdat)
            }
        } else {
            phase = .command
            respond(SMTPReply(250, EnhancedStatusCode(2, 0, 0), "Ok: \(size) bytes"))
            if content.count >= policy.contentChunkSize { pending.append(.content) }
        }
        return true
    }

    private mutating func checkBareNewlineInContent() -> Bool {
        if policy.bareNewline == .reject, case .data = phase { pending.append(.abandonContent) }
        return checkBareNewline()
    }

    private mutating func askEnd(_ verb: SMTPVerb) {
        guard let transaction else { return phase = .command }
        phase = .asking(.end(verb))
        pending.append(.endContent(transaction))
    }

    /// The transaction is over, well or not: it is no more.
    private mutating func finishTransaction(_ reply: SMTPReply) {
        transaction = nil
        chunkDecoder = nil
        content = []
        phase = .command
        respond(reply)
    }

    /// Content from here on is of no use (the queue refused it): it is taken from the client and thrown away.
    public mutating func discardContent() {
        content = []
        if case .data(var decoder) = phase {
            decoder.discard()
            phase = .data(decoder)
        }
        chunkDecoder?.discard()
    }

    /// Answers the question that ``next()`` asked last.
    ///
    /// - Parameter reply: nil accepts (for `endContent` there is no nil: the driver always has a reply; a nil there is answered 451).
    public mutating func answer(_ reply: SMTPReply?) {
        guard case .asking(let question) = phase else { return }
        phase = .command
        switch question {
        case .hello(let verb, let name):
            if let reply { return respond(reply) }
            greetBack(verb, name)
        case .sender(let command):
            if let reply { return respond(reply) }
            transaction = SMTPTransaction(command)
            respond(SMTPReply(250, EnhancedStatusCode(2, 1, 0), "Ok"))
        case .recipient(let command):
            if let reply {
                transaction?.refusedRecipients += 1
                return respond(reply)
            }
            transaction?.recipients.append(command)
            respond(SMTPReply(250, EnhancedStatusCode(2, 1, 5), "Ok"))
        case .verify(let command):
            respond(reply ?? SMTPReply(252, EnhancedStatusCode(2, 0, 0), command.recipient.logForm))
        case .startData:
            if let reply {
                transaction = nil
                return respond(reply)
            }
            put(SMTPReply(354, nil, "End data with <CR><LF>.<CR><LF>"))
            phase = .data(DataDecoder(.dotStuffed, policy: policy.bareNewline, sizeLimit: policy.messageSizeLimit))
        case .startChunk(let command):
            if let reply {
                transaction = nil
                return swallow(command.size, reply)
            }
            transaction?.usesChunks = true
            let framing: DataDecoder.Framing = transaction?.mail.body == .binaryMIME ? .binary : .counted
            chunkDecoder = DataDecoder(framing, policy: policy.bareNewline, sizeLimit: policy.messageSizeLimit)
            phase = .chunk(remaining: command.size, isLast: command.isLast, size: command.size)
        case .end:
            let final = reply ?? SMTPReply(451, EnhancedStatusCode(4, 3, 0), "Error: queue file write error")
            finishTransaction(final)
            if final.isPositive {
                errorCount = 0
                junkCount = 0
            }
        }
    }
}

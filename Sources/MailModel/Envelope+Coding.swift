// The binary forms of the envelope's values, for IPC and the queue file. Order of fields is the format: append, never insert, and raise the
// version of the queue file or the protocol when it changes.
//
// Version 1 ended at ``Envelope/isHeld``; version 2 has the control group behind it. Readers of files say which one they read.

extension MailAddress: ByteCodable {
    public func encode(into encoder: inout ByteEncoder) {
        encoder.put(bytes: localPart)
        encoder.put(bytes: domain)
    }
    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        self.init(localPart: try decoder.takeBytes(limit: 4096), domain: try decoder.takeBytes(limit: 4096))
    }
}

extension EnvelopeRecipient: ByteCodable {
    public func encode(into encoder: inout ByteEncoder) {
        address.encode(into: &encoder)
        encoder.put(optional: originalAddress) { $1.encode(into: &$0) }
        encoder.put(bytes: originalRecipient)
        encoder.put(notify.rawValue)
    }
    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        let address = try MailAddress(from: &decoder)
        let original = try decoder.takeOptional { d throws(ByteDecodingError) in try MailAddress(from: &d) }
        let orcpt = try decoder.takeBytes(limit: 4096)
        self.init(address, originalAddress: original, originalRecipient: orcpt, notify: DSNNotify(rawValue: try decoder.takeUInt8()))
    }
}

extension ClientFacts: ByteCodable {
    public func encode(into encoder: inout ByteEncoder) {
        encoder.put(protocolName)
        encoder.put(helo)
        encoder.put(name)
        encoder.put(address)
        encoder.put(port)
        encoder.put(tls)
        encoder.put(login)
    }
    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        self.init(
            protocolName: try decoder.takeString(limit: 64), helo: try decoder.takeString(limit: 4096),
            name: try decoder.takeString(limit: 4096), address: try decoder.takeString(limit: 128), port: try decoder.take(UInt16.self),
            tls: try decoder.takeString(limit: 1024), login: try decoder.takeString(limit: 1024))
    }
}

extension Envelope: ByteCodable {
    public func encode(into encoder: inout ByteEncoder) {
        encodeHead(into: &encoder)
        encoder.put(list: recipients) { $1.encode(into: &$0) }
    }
    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) { try self.init(from: &decoder, version: 2) }
    /// - Parameter version: of the form, 1 or 2.
    public init(from decoder: inout ByteDecoder, version: Int) throws(ByteDecodingError) {
        try self.init(headFrom: &decoder, version: version)
        recipients = try decoder.takeList { d throws(ByteDecodingError) in try EnvelopeRecipient(from: &d) }
    }

    /// All but the recipients.
    public func encodeHead(into encoder: inout ByteEncoder) {
        sender.encode(into: &encoder)
        encoder.put(bytes: envelopeID)
        encoder.put(returnContent.rawValue)
        encoder.put(body.rawValue)
        encoder.put(isSMTPUTF8)
        encoder.put(origin.rawValue)
        client.encode(into: &encoder)
        encoder.put(arrival)
        encoder.put(userID)
        encoder.put(bytes: fullName)
        encoder.put(isHeld)
        encoder.put(controlGroup)
    }
    /// All but the recipients, which are left empty.
    ///
    /// - Parameter version: of the form, 1 or 2.
    public init(headFrom decoder: inout ByteDecoder, version: Int) throws(ByteDecodingError) {
        let sender = try MailAddress(from: &decoder)
        let envelopeID = try decoder.takeBytes(limit: 4096)
        let returnContent = try decoder.takeEnum(DSNReturn.self)
        let body = try decoder.takeEnum(BodyType.self)
        let isSMTPUTF8 = try decoder.takeBool()
        let origin = try decoder.takeEnum(MessageOrigin.self)
        let client = try ClientFacts(from: &decoder)
        let arrival = try decoder.take(Int64.self)
        let userID = try decoder.take(Int64.self)
        let fullName = try decoder.takeBytes(limit: 4096)
        let isHeld = try decoder.takeBool()
        let controlGroup = version < 2 ? "" : try decoder.takeString(limit: 4096)
        self.init(
            sender: sender, recipients: [], origin: origin, arrival: arrival, client: client, envelopeID: envelopeID,
            returnContent: returnContent, body: body, isSMTPUTF8: isSMTPUTF8, userID: userID, fullName: fullName, isHeld: isHeld,
            controlGroup: controlGroup)
    }
}

extension EnhancedStatusCode: ByteCodable {
    public func encode(into encoder: inout ByteEncoder) {
        encoder.put(statusClass)
        encoder.put(subject)
        encoder.put(detail)
    }
    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        self.init(try decoder.takeUInt8(), try decoder.take(UInt16.self), try decoder.take(UInt16.self))
    }
}

extension RecipientOutcome: ByteCodable {
    public func encode(into encoder: inout ByteEncoder) {
        encoder.put(action.rawValue)
        status.encode(into: &encoder)
        encoder.put(reason)
        encoder.put(remoteMTA)
        encoder.put(diagnostic)
        encoder.put(relay)
    }
    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        let action = try decoder.takeEnum(Action.self)
        let status = try EnhancedStatusCode(from: &decoder)
        self.init(
            action, status, try decoder.takeString(), remoteMTA: try decoder.takeString(), diagnostic: try decoder.takeString(),
            relay: try decoder.takeString())
    }
}

extension SMTPReply: ByteCodable {
    public func encode(into encoder: inout ByteEncoder) {
        encoder.put(code)
        encoder.put(optional: enhanced) { $1.encode(into: &$0) }
        encoder.put(list: lines) { $0.put($1) }
    }
    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        let code = try decoder.take(UInt16.self)
        let enhanced = try decoder.takeOptional { d throws(ByteDecodingError) in try EnhancedStatusCode(from: &d) }
        self.init(code, enhanced, lines: try decoder.takeList(limit: 1000) { d throws(ByteDecodingError) in try d.takeString() })
    }
}

extension QueueID: ByteCodable {
    public func encode(into encoder: inout ByteEncoder) { encoder.put(text) }
    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        let text = try decoder.takeString(limit: 64)
        guard let id = QueueID(text) else { throw ByteDecodingError("no queue id") }
        self = id
    }
}

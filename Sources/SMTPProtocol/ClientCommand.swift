// The command lines of the client with the parameters that the peer's extensions allow (RFC 5321 section 4.1, RFC 1870, 3461, 6152, 6531).
//
// Security: addresses come from other people's messages. Nothing that is not an address byte can end a command line: CR, LF and NUL in an
// address make ``ClientCommand/isSafe(_:)`` false, and such a recipient or sender never gets on the wire.

public import MailModel

/// One message for some recipients of one host: everything of it that is not content.
public struct ClientTransaction: Hashable, Sendable {
    public var sender: MailAddress
    public var recipients: [EnvelopeRecipient]
    /// Octets of the content as it will be sent, without dot-stuffing (RFC 1870 section 5: an estimate may be given).
    public var size: Int
    /// BODY as it will be sent, after any conversion.
    public var body: BodyType
    public var envelopeID: [UInt8]
    public var returnContent: DSNReturn
    /// The SMTPUTF8 parameter is to be given.
    public var isSMTPUTF8: Bool
    /// BDAT instead of DATA (RFC 3030).
    public var usesChunking: Bool

    public init(
        sender: MailAddress, recipients: [EnvelopeRecipient], size: Int, body: BodyType = .unspecified, envelopeID: [UInt8] = [],
        returnContent: DSNReturn = .unspecified, isSMTPUTF8: Bool = false, usesChunking: Bool = false
    ) {
        self.sender = sender
        self.recipients = recipients
        self.size = size
        self.body = body
        self.envelopeID = envelopeID
        self.returnContent = returnContent
        self.isSMTPUTF8 = isSMTPUTF8
        self.usesChunking = usesChunking
    }
}

/// Builds command lines, CRLF included.
public enum ClientCommand {
    /// Whether an address can stand in a command line: no control bytes, and within the limits of RFC 5321 section 4.5.3.1.
    public static func isSafe(_ address: MailAddress) -> Bool {
        func isPlain(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x7F }
        func isDomain(_ byte: UInt8) -> Bool { byte > 0x20 && byte != 0x7F && byte != UInt8(ascii: "<") && byte != UInt8(ascii: ">") }
        // Twice the limit of RFC 5321 section 4.5.3.1.1 and .2: be liberal with those who are, but stay below the command line limit.
        return address.localPart.count <= 512 && address.domain.count <= 512 && address.localPart.allSatisfy(isPlain)
            && address.domain.allSatisfy(isDomain)
    }

    public static func line(_ verb: String, _ argument: String = "") -> [UInt8] {
        Array((argument.isEmpty ? verb : "\(verb) \(argument)").utf8) + [13, 10]
    }

    public static func mail(_ transaction: ClientTransaction, _ offered: ClientCapabilities) -> [UInt8] {
        var out = Array("MAIL FROM:<".utf8)
        out += transaction.sender.externalForm
        out.append(UInt8(ascii: ">"))
        if offered.offers(.size) { out += " SIZE=\(transaction.size)".utf8 }
        switch transaction.body {
        case .binaryMIME where offered.offers(.binaryMIME): out += " BODY=BINARYMIME".utf8
        case .eightBitMIME where offered.offers(.eightBitMIME): out += " BODY=8BITMIME".utf8
        case .sevenBit where offered.offers(.eightBitMIME): out += " BODY=7BIT".utf8
        default: break
        }
        if offered.offers(.dsn) {
            // RFC 3461 section 4.4: ENVID is xtext of at most 100 characters.
            let envelopeID = xtext(transaction.envelopeID)
            if !envelopeID.isEmpty && envelopeID.count <= 100 { out += " ENVID=".utf8 + envelopeID }
            switch transaction.returnContent {
            case .full: out += " RET=FULL".utf8
            case .headers: out += " RET=HDRS".utf8
            case .unspecified: break
            }
        }
        if transaction.isSMTPUTF8 { out += " SMTPUTF8".utf8 }
        return out + [13, 10]
    }

    public static func recipient(
        _ recipient: EnvelopeRecipient, _ offered: ClientCapabilities, isSMTPUTF8: Bool = false
    ) -> [UInt8] {
        var out = Array("RCPT TO:<".utf8)
        out += recipient.address.externalForm
        out.append(UInt8(ascii: ">"))
        guard offered.offers(.dsn) else { return out + [13, 10] }
        if let text = recipient.notify.parameterText { out += " NOTIFY=\(text)".utf8 }
        let original = originalRecipient(of: recipient, isSMTPUTF8: isSMTPUTF8)
        // RFC 3461 section 4.2: at most 500 characters.
        if !original.isEmpty && original.count <= 500 { out += " ORCPT=".utf8 + original }
        return out + [13, 10]
    }

    // ORCPT as it came; else the address as the client gave it, before aliasing, as Postfix does (RFC 3461 section 5.2.1).
    private static func originalRecipient(of recipient: EnvelopeRecipient, isSMTPUTF8: Bool) -> [UInt8] {
        if let separator = recipient.originalRecipient.firstIndex(of: UInt8(ascii: ";")), separator > 0 {
            let type = recipient.originalRecipient[..<separator]
            let address = recipient.originalRecipient[(separator + 1)...]
            guard type.allSatisfy({ ASCII.isAlphanumeric($0) || $0 == UInt8(ascii: "-") }) else { return [] }
            return Array(type) + [UInt8(ascii: ";")] + encoded(address, isSMTPUTF8: isSMTPUTF8)
        }
        let original = recipient.originalAddress ?? recipient.address
        guard !original.isNull else { return [] }
        // RFC 6533 section 3: an international address has the type utf-8, which only an SMTPUTF8 message may carry unencoded.
        let type = original.isInternationalized ? "utf-8;" : "rfc822;"
        return Array(type.utf8) + encoded(original.externalForm[...], isSMTPUTF8: isSMTPUTF8)
    }

    private static func encoded(_ address: ArraySlice<UInt8>, isSMTPUTF8: Bool) -> [UInt8] {
        guard address.contains(where: { $0 >= 0x80 }) else { return xtext(address) }
        // RFC 6533 section 3: utf-8-addr-unitext where SMTPUTF8 is in force, else utf-8-addr-xtext with \x{HEX}.
        var out: [UInt8] = []
        for scalar in String(decoding: address, as: UTF8.self).unicodeScalars {
            if scalar.value < 0x80 {
                let byte = UInt8(scalar.value)
                let mustEscape =
                    byte <= 0x20 || byte >= 0x7F || byte == UInt8(ascii: "\\") || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "=")
                if mustEscape { out += "\\x{\(String(scalar.value, radix: 16, uppercase: true))}".utf8 } else { out.append(byte) }
            } else if isSMTPUTF8 {
                out += Array(String(Character(scalar)).utf8)
            } else {
                out += "\\x{\(String(scalar.value, radix: 16, uppercase: true))}".utf8
            }
        }
        return out
    }

    /// xtext of RFC 3461 section 4: `+HH` for everything but "!" to "~" without "+" and "=".
    public static func xtext(_ bytes: some Collection<UInt8>) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count)
        for byte in bytes {
            if byte >= 0x21 && byte <= 0x7E && byte != UInt8(ascii: "+") && byte != UInt8(ascii: "=") {
                out.append(byte)
            } else {
                out.append(UInt8(ascii: "+"))
                out.append(digits[Int(byte >> 4)])
                out.append(digits[Int(byte & 15)])
            }
        }
        return out
    }
}

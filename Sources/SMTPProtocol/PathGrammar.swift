// The grammar of mailboxes and paths (RFC 5321 sections 4.1.2 and 4.1.3) on bytes.
//
// Security: total and bounded; no byte below 0x20, no 0x7F, and no 8-bit byte that is not SMTPUTF8 ever gets into a MailAddress from here.
// Leniency, each as Postfix has it and each switched by an option: an address without angle brackets, a local-part without a domain, dots
// at odd places in the local-part, local-parts over 64 octets (VERP senders use them), an underscore in a domain.
// Limits: obsolete syntax of RFC 5322 (comments, folding, quoted words joined with dots) is no SMTP syntax and is refused.

public import MailModel

/// What counts as an acceptable address in MAIL, RCPT and VRFY.
public struct PathGrammar: Hashable, Sendable {
    /// Octets of the local-part, quoting included (RFC 5321 section 4.5.3.1.1 asks for at least 64).
    public var localPartLimit = 64
    /// Octets of the domain (RFC 5321 section 4.5.3.1.2).
    public var domainLimit = 255
    /// Octets of the whole path with its angle brackets, without a source route (RFC 5321 section 4.5.3.1.3).
    public var pathLimit = 256
    /// `a..b`, `.a` and `a.` as local-parts; some large Japanese providers handed them out.
    public var allowsOddDots = false
    /// A local-part without a domain; it is completed with `myorigin` later.
    public var allowsUnqualified = false
    /// Bytes over 127, as UTF-8, where the client declared SMTPUTF8 (RFC 6531 section 3.3).
    public var allowsUTF8 = false

    public init() {}

    /// The letter of RFC 5321.
    public static let strict = PathGrammar()

    /// What a receiver that wants mail should take.
    public static let lenient: PathGrammar = {
        var grammar = PathGrammar()
        grammar.localPartLimit = 512
        grammar.pathLimit = 1024
        grammar.allowsOddDots = true
        grammar.allowsUnqualified = true
        return grammar
    }()

    /// The same with or without SMTPUTF8.
    public func utf8(_ isAllowed: Bool) -> PathGrammar {
        var copy = self
        copy.allowsUTF8 = isAllowed
        return copy
    }

    /// Reads a Mailbox, `local-part@domain`, that fills `bytes`; nil where it is none.
    public func mailbox(_ bytes: ArraySlice<UInt8>) -> MailAddress? {
        guard let (local, rest) = localPart(bytes), !rest.isEmpty || allowsUnqualified else { return nil }
        if rest.isEmpty {
            guard !local.isEmpty else { return nil }
            return MailAddress(localPart: local, domain: [])
        }
        let domain = rest.dropFirst()
        // The path has two angle brackets more than the mailbox.
        guard bytes.count <= pathLimit - 2, isDomainOrLiteral(domain) else { return nil }
        return MailAddress(localPart: local, domain: Array(domain))
    }

    /// Reads a path at the start of `bytes`: `<...>`, or an address without brackets that ends at a space.
    ///
    /// - Parameter null: what `<>` means; nil refuses it.
    /// - Returns: the address and what follows it, or nil where the syntax is wrong.
    public func path(_ bytes: ArraySlice<UInt8>, null: MailAddress?) -> (address: MailAddress, rest: ArraySlice<UInt8>)? {
        guard bytes.first == UInt8(ascii: "<") else {
            guard let end = PathGrammar.endOfWord(bytes), end > bytes.startIndex, let address = mailbox(bytes[..<end]) else { return nil }
            return (address, bytes[end...])
        }
        guard let close = PathGrammar.closingBracket(bytes) else { return nil }
        var inner = bytes[(bytes.startIndex + 1)..<close]
        let rest = bytes[(close + 1)...]
        if inner.isEmpty { return null.map { ($0, rest) } }
        // RFC 5321 appendix C: a source route is recognised and ignored.
        if inner.first == UInt8(ascii: "@") {
            guard let colon = inner.firstIndex(of: UInt8(ascii: ":")), isSourceRoute(inner[..<colon]) else { return nil }
            inner = inner[(colon + 1)...]
        }
        return mailbox(inner).map { ($0, rest) }
    }

    /// Whether `bytes` are a domain name of RFC 5321 section 4.1.2 (or U-labels where SMTPUTF8 is allowed).
    public func isDomain(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard !bytes.isEmpty, bytes.count <= domainLimit else { return false }
        var labelLength = 0
        var previous = UInt8(ascii: ".")
        var hasHighByte = false
        for byte in bytes {
            if byte == UInt8(ascii: ".") {
                guard previous != UInt8(ascii: "."), previous != UInt8(ascii: "-") else { return false }
                labelLength = 0
            } else {
                if byte == UInt8(ascii: "-") {
                    guard previous != UInt8(ascii: ".") else { return false }
                } else if byte >= 0x80 {
                    guard allowsUTF8 else { return false }
                    hasHighByte = true
                } else {
                    guard ASCII.isAlphanumeric(byte) || byte == UInt8(ascii: "_") else { return false }
                }
                labelLength += 1
                // A U-label has its limit as an A-label; this bound only keeps the value sane.
                guard labelLength <= (hasHighByte ? 255 : 63) else { return false }
            }
            previous = byte
        }
        guard previous != UInt8(ascii: "."), previous != UInt8(ascii: "-") else { return false }
        return !hasHighByte || UTF8Validation.isValid(bytes)
    }

    private func isDomainOrLiteral(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.first == UInt8(ascii: "[") ? AddressLiteral(bytes) != nil : isDomain(bytes)
    }

    /// `@domain *( "," @domain )`.
    private func isSourceRoute(_ bytes: ArraySlice<UInt8>) -> Bool {
        for hop in bytes.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            guard hop.first == UInt8(ascii: "@"), isDomainOrLiteral(hop.dropFirst()) else { return false }
        }
        return true
    }

    /// The local-part without its quoting, and what follows: nothing, or `@` and the rest.
    private func localPart(_ bytes: ArraySlice<UInt8>) -> (value: [UInt8], rest: ArraySlice<UInt8>)? {
        bytes.first == UInt8(ascii: "\"") ? quotedString(bytes) : dotString(bytes)
    }

    private func dotString(_ bytes: ArraySlice<UInt8>) -> (value: [UInt8], rest: ArraySlice<UInt8>)? {
        var previous = UInt8(ascii: ".")
        var hasHighByte = false
        var end = bytes.startIndex
        scan: while end < bytes.endIndex {
            let byte = bytes[end]
            switch byte {
            case UInt8(ascii: "@"): break scan
            case UInt8(ascii: "."):
                if previous == UInt8(ascii: ".") && !allowsOddDots { return nil }
            case 0x80...:
                guard allowsUTF8 else { return nil }
                hasHighByte = true
            default:
                guard ASCII.isAtext(byte) else { return nil }
            }
            previous = byte
            end += 1
        }
        let value = bytes[..<end]
        guard !value.isEmpty, value.count <= localPartLimit, allowsOddDots || previous != UInt8(ascii: ".") else { return nil }
        guard !hasHighByte || UTF8Validation.isValid(value) else { return nil }
        return (Array(value), bytes[end...])
    }

    private func quotedString(_ bytes: ArraySlice<UInt8>) -> (value: [UInt8], rest: ArraySlice<UInt8>)? {
        var value: [UInt8] = []
        var hasHighByte = false
        var index = bytes.startIndex + 1
        while index < bytes.endIndex {
            var byte = bytes[index]
            if byte == UInt8(ascii: "\"") {
                let rest = bytes[(index + 1)...]
                // The limit counts the octets as sent, quoting included.
                guard index + 1 - bytes.startIndex <= localPartLimit, rest.isEmpty || rest.first == UInt8(ascii: "@") else { return nil }
                guard !hasHighByte || UTF8Validation.isValid(value[...]) else { return nil }
                return (value, rest)
            }
            if byte == UInt8(ascii: "\\") {
                index += 1
                guard index < bytes.endIndex else { return nil }
                byte = bytes[index]
                // quoted-pairSMTP takes 32...126 only (RFC 5321 section 4.1.2).
                guard ASCII.isPrintable(byte) else { return nil }
            } else if byte >= 0x80 {
                guard allowsUTF8 else { return nil }
                hasHighByte = true
            } else {
                guard ASCII.isPrintable(byte) else { return nil }
            }
            value.append(byte)
            index += 1
        }
        return nil
    }

    /// Where the `>` is that closes the path: not one within a quoted string.
    private static func closingBracket(_ bytes: ArraySlice<UInt8>) -> Int? {
        var isQuoted = false
        var index = bytes.startIndex
        while index < bytes.endIndex {
            switch bytes[index] {
            case UInt8(ascii: "\""): isQuoted.toggle()
            case UInt8(ascii: "\\"): if isQuoted { index += 1 }
            case UInt8(ascii: ">"): if !isQuoted { return index }
            default: break
            }
            index += 1
        }
        return nil
    }

    private static func endOfWord(_ bytes: ArraySlice<UInt8>) -> Int? {
        var isQuoted = false
        var index = bytes.startIndex
        while index < bytes.endIndex {
            switch bytes[index] {
            case UInt8(ascii: "\""): isQuoted.toggle()
            case UInt8(ascii: "\\"): if isQuoted { index += 1 }
            case UInt8(ascii: " "): if !isQuoted { return index }
            default: break
            }
            index += 1
        }
        return isQuoted ? nil : bytes.endIndex
    }
}

// A mail address as the envelope knows it: a local-part and a domain, as bytes, without quoting.
//
// Security: the bytes come from peers. Nothing here trusts them; the grammar of RFC 5321 is checked in SMTPProtocol, of RFC 5322 in
// InternetMessage. Comparison is by byte, never by Unicode equivalence.
// Limits: source routes are dropped before an address gets here (RFC 5321 section 3.6.1, appendix C).

/// An address of the envelope, in Postfix's "internal" (unquoted) form.
///
/// The null address (`<>`, RFC 5321 section 4.5.5) has an empty local-part and an empty domain. A local-part without a domain (`postmaster`,
/// or a login name from `sendmail`) has an empty domain.
public struct MailAddress: Hashable, Sendable {
    /// The local-part with quoting and quoted-pairs removed: `a b`, not `"a b"`.
    public var localPart: [UInt8]
    /// The domain as received: `example.org`, `[192.0.2.1]`, or empty. Compared without case through ``domainKey``.
    public var domain: [UInt8]

    public init(localPart: [UInt8], domain: [UInt8]) {
        self.localPart = localPart
        self.domain = domain
    }

    /// The null address, `<>`.
    public static let null = MailAddress(localPart: [], domain: [])

    /// Splits an unquoted address at its last `@`.
    public init(internalForm bytes: some Collection<UInt8>) {
        let all = Array(bytes)
        if let at = all.lastIndex(of: UInt8(ascii: "@")) {
            localPart = Array(all[..<at])
            domain = Array(all[(at + 1)...])
        } else {
            localPart = all
            domain = []
        }
    }

    /// Splits an unquoted address, given as text, at its last `@`.
    public init(_ text: String) { self.init(internalForm: Array(text.utf8)) }

    public var isNull: Bool { localPart.isEmpty && domain.isEmpty }

    /// `local@domain` without quoting, as Postfix stores and looks up addresses.
    public var internalForm: [UInt8] { domain.isEmpty ? localPart : localPart + [UInt8(ascii: "@")] + domain }

    /// `local@domain` with the local-part quoted where RFC 5321 section 4.1.2 requires it; the form for SMTP, headers and logs.
    public var externalForm: [UInt8] {
        let quoted = MailAddress.quote(localPart: localPart)
        return domain.isEmpty ? (isNull ? [] : quoted) : quoted + [UInt8(ascii: "@")] + domain
    }

    /// The domain with ASCII letters in lower case, for comparison (RFC 5321 section 2.3.5: domains are case-insensitive).
    public var domainKey: [UInt8] { domain.map(ASCII.lowercased) }

    /// Whether any byte is outside ASCII, so that the message needs SMTPUTF8 (RFC 6531).
    public var isInternationalized: Bool { localPart.contains { $0 >= 0x80 } || domain.contains { $0 >= 0x80 } }

    /// The ``externalForm`` as text that is safe in a log line: control bytes and malformed UTF-8 become `?`.
    public var logForm: String { ASCII.printable(externalForm) }

    /// A local-part as dot-string if it is one, else as quoted-string (RFC 5321 section 4.1.2).
    public static func quote(localPart: [UInt8]) -> [UInt8] {
        var isDotString = !localPart.isEmpty
        var previousDot = true
        for byte in localPart {
            if byte == UInt8(ascii: ".") {
                if previousDot { isDotString = false }
                previousDot = true
            } else {
                if !(ASCII.isAtext(byte) || byte >= 0x80) { isDotString = false }
                previousDot = false
            }
        }
        if previousDot { isDotString = false }
        if isDotString { return localPart }
        var out: [UInt8] = [UInt8(ascii: "\"")]
        for byte in localPart {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { out.append(UInt8(ascii: "\\")) }
            out.append(byte)
        }
        out.append(UInt8(ascii: "\""))
        return out
    }
}

extension MailAddress: CustomStringConvertible {
    public var description: String { logForm }
}

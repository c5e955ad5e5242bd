// Address lists of RFC 5322 section 3.4, with the obsolete forms of section 4.4: what stands in From, To, Cc, Bcc and on the command line
// of `sendmail`.
//
// Security: total for any bytes, linear in their number, bounded in the number of addresses. Nothing is thrown away silently: text that is
// no address counts in `malformedCount`. Limits: as in Postfix, words without `<...>` are taken as one local-part (`Bob Smith` is the
// address `"Bob Smith"`), and a percent or a bang has no meaning here.

public import MailModel

/// One address of a list.
public struct ListedAddress: Hashable, Sendable {
    /// The address, unquoted. Null for `<>`; an empty domain where none is written.
    public var address: MailAddress
    /// The display name, quotes removed, words joined by one space; empty without.
    public var displayName: [UInt8]
    /// The group the address stands in, if any.
    public var group: [UInt8]?
    /// Where the addr-spec (local-part, `@`, domain) lies in the source; empty for `<>`.
    public var range: Range<Int>
    /// The addr-spec was more than one word where one is due, so that it cannot stay as it is written.
    public var needsQuoting: Bool
}

/// A parsed address list.
public struct AddressList: Hashable, Sendable {
    public var addresses: [ListedAddress] = []
    /// Names of groups that hold no address, such as `undisclosed-recipients:;`.
    public var emptyGroups: [[UInt8]] = []
    /// Pieces that hold no address, or broken syntax that was read as well as possible.
    public var malformedCount = 0
    /// There were more addresses than the limit.
    public var isTruncated = false
}

/// Reads address lists.
public struct AddressListParser {
    private let limit: Int
    private var list = AddressList()
    private var tokens: [AddressToken] = []
    private var group: [UInt8]?
    private var groupIsEmpty = true

    /// Reads `bytes` as an address list.
    ///
    /// - Parameters:
    ///   - bytes: the value of a header field, folded or not, or an argument.
    ///   - limit: the most addresses to return; more set ``AddressList/isTruncated``.
    public static func parse(_ bytes: some Collection<UInt8>, limit: Int = 100_000) -> AddressList {
        var parser = AddressListParser(limit: limit)
        return parser.run(Array(bytes))
    }

    private init(limit: Int) { self.limit = max(0, limit) }

    private mutating func run(_ bytes: [UInt8]) -> AddressList {
        var tokenizer = AddressTokenizer(bytes)
        var isInAngle = false
        /// Inside `<@a,@b:`, before the colon: an obsolete route, to which commas belong.
        var isInRoute = false
        while !list.isTruncated, let token = tokenizer.next() {
            switch token.kind {
            case .special(UInt8(ascii: "<")) where !isInAngle: isInAngle = true
            case .special(UInt8(ascii: "@")) where isInAngle && tokens.last?.isSpecial("<") == true: isInRoute = true
            case .special(UInt8(ascii: ":")) where isInAngle: isInRoute = false
            case .special(UInt8(ascii: ">")):
                if !isInAngle {
                    list.malformedCount += 1
                    continue
                }
                isInAngle = false
                isInRoute = false
            // A comma inside angle brackets, without a route, shows that the bracket was never closed.
            case .special(UInt8(ascii: ",")) where !isInRoute:
                isInAngle = false
                endAddress()
                continue
            case .special(UInt8(ascii: ";")) where !isInAngle || group != nil:
                isInAngle = false
                isInRoute = false
                endAddress()
                endGroup()
                continue
            case .special(UInt8(ascii: ":")):
                beginGroup()
                continue
            default: break
            }
            tokens.append(token)
        }
        endAddress()
        endGroup()
        if tokenizer.isUnterminated { list.malformedCount += 1 }
        return list
    }

    private mutating func beginGroup() {
        endGroup()
        group = AddressListParser.phrase(tokens[...])
        groupIsEmpty = true
        tokens = []
    }

    private mutating func endGroup() {
        if let group, groupIsEmpty { list.emptyGroups.append(group) }
        group = nil
    }

    private mutating func endAddress() {
        defer { tokens.removeAll(keepingCapacity: true) }
        guard !tokens.isEmpty else { return }
        var name: ArraySlice<AddressToken> = []
        var spec = tokens[...]
        if let open = tokens.firstIndex(where: { $0.isSpecial("<") }) {
            name = tokens[..<open]
            spec = tokens[(open + 1)...]
            if let close = spec.firstIndex(where: { $0.isSpecial(">") }) {
                if close + 1 < tokens.count { list.malformedCount += 1 }
                spec = spec[..<close]
            } else {
                list.malformedCount += 1
            }
            // obs-route (RFC 5322 section 4.4): ignored, as RFC 5321 section 3.6.1 asks.
            if let first = spec.first, first.isSpecial("@") {
                guard let colon = spec.firstIndex(where: { $0.isSpecial(":") }) else {
                    list.malformedCount += 1
                    return
                }
                spec = spec[(colon + 1)...]
            }
        }
        guard let parsed = address(from: spec, mayBeNull: spec.startIndex > tokens.startIndex) else {
            list.malformedCount += 1
            return
        }
        guard list.addresses.count < limit else {
            list.isTruncated = true
            return
        }
        groupIsEmpty = false
        let displayName = AddressListParser.phrase(name)
        list.addresses.append(
            ListedAddress(
                address: parsed.address, displayName: displayName, group: group, range: parsed.range, needsQuoting: parsed.isLoose))
    }

    private mutating func address(
        from spec: ArraySlice<AddressToken>, mayBeNull: Bool
    ) -> (address: MailAddress, range: Range<Int>, isLoose: Bool)? {
        guard let first = spec.first, let last = spec.last else {
            guard mayBeNull, let bracket = tokens.first(where: { $0.isSpecial("<") }) else { return nil }
            return (.null, bracket.range.upperBound..<bracket.range.upperBound, false)
        }
        let at = spec.lastIndex { $0.isSpecial("@") }
        let local = at.map { spec[..<$0] } ?? spec
        let domain = at.map { spec[($0 + 1)...] } ?? []
        var isLoose = false
        var localPart: [UInt8] = []
        for (offset, token) in local.enumerated() {
            if case .word = token.kind, offset > 0, case .word = local[local.startIndex + offset - 1].kind {
                isLoose = true
                if !token.isAdjacent { localPart.append(UInt8(ascii: " ")) }
            } else if token.kind != .word, !token.isSpecial(".") {
                isLoose = true
            }
            localPart += token.content
        }
        let domainBytes = domain.flatMap(\.content)
        guard !localPart.isEmpty || first.isQuoted else { return nil }
        guard at == nil || !domainBytes.isEmpty else { return nil }
        return (MailAddress(localPart: localPart, domain: domainBytes), first.range.lowerBound..<last.range.upperBound, isLoose)
    }

    /// Words as a phrase: joined by one space where white space stood between them.
    private static func phrase(_ tokens: ArraySlice<AddressToken>) -> [UInt8] {
        var out: [UInt8] = []
        for token in tokens {
            if !out.isEmpty, !token.isAdjacent { out.append(UInt8(ascii: " ")) }
            out += token.content
        }
        return out
    }
}

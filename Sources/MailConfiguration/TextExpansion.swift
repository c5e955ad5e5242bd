// `$name` in configuration text: `$name ${name} $(name) ${name?text} ${name:text} ${name?{text}:{text}} ${{a} == {b} ? {x} : {y}}`
// and `$$`.
//
// Security: only configuration text is expanded, never data of a message (values that a lookup returns are not expanded again unless the
// lookup itself does so). Depth and size are bounded, so that a file cannot grow without end.

/// Why a text cannot be expanded.
public struct ExpansionError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// Expansion of `$name` expressions as Postfix's main.cf has it.
public struct TextExpansion {
    /// How deep expressions may be nested.
    public static let maximumDepth = 64
    /// How long a result may become, in bytes.
    public static let maximumLength = 1_048_576

    private let values: (String) throws(ExpansionError) -> String?

    /// Expands `text`; `values` gives the value of a name, already expanded, or nil where the name is unknown (then it counts as empty).
    public static func expand(
        _ text: String, values: @escaping (String) throws(ExpansionError) -> String?
    ) throws(ExpansionError) -> String {
        if !text.utf8.contains(UInt8(ascii: "$")) { return text }
        return String(decoding: try TextExpansion(values: values).expand(Array(text.utf8)[...], depth: 0), as: UTF8.self)
    }

    private func expand(_ text: ArraySlice<UInt8>, depth: Int) throws(ExpansionError) -> [UInt8] {
        if depth > Self.maximumDepth { throw ExpansionError("expressions are nested too deep") }
        var out: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            if out.count > Self.maximumLength { throw ExpansionError("the expanded text is too long") }
            guard byte == UInt8(ascii: "$") else {
                out.append(byte)
                continue
            }
            switch rest.first {
            case UInt8(ascii: "$"):
                rest.removeFirst()
                out.append(UInt8(ascii: "$"))
            case UInt8(ascii: "{"):
                out += try expression(try Self.takeGroup(&rest, open: UInt8(ascii: "{"), close: UInt8(ascii: "}")), depth: depth)
            case UInt8(ascii: "("):
                out += try expression(try Self.takeGroup(&rest, open: UInt8(ascii: "("), close: UInt8(ascii: ")")), depth: depth)
            default:
                let name = Self.takeName(&rest)
                if name.isEmpty { throw ExpansionError("a \"$\" is not followed by a name (write \"$$\" for the character itself)") }
                out += try value(name)
            }
        }
        return out
    }

    private func value(_ name: String) throws(ExpansionError) -> [UInt8] { Array((try values(name) ?? "").utf8) }

    /// The inside of `${...}`.
    private func expression(_ body: ArraySlice<UInt8>, depth: Int) throws(ExpansionError) -> [UInt8] {
        var rest = body
        Self.skipSpace(&rest)
        let isTrue: Bool
        let nameValue: [UInt8]
        if rest.first == UInt8(ascii: "{") {
            isTrue = try comparison(&rest, depth: depth)
            nameValue = []
        } else {
            let name = Self.takeName(&rest)
            if name.isEmpty { throw ExpansionError("\"${\(Self.text(body))}\" has no name") }
            nameValue = try value(name)
            isTrue = !nameValue.isEmpty
            if rest.isEmpty { return nameValue }
        }
        Self.skipSpace(&rest)
        switch rest.popFirst() {
        case nil where body.first != UInt8(ascii: "{"): return nameValue
        case UInt8(ascii: "?"):
            var probe = rest
            Self.skipSpace(&probe)
            guard probe.first == UInt8(ascii: "{") else { return isTrue ? try expand(rest, depth: depth + 1) : [] }
            let whenTrue = try Self.takeGroup(&probe, open: UInt8(ascii: "{"), close: UInt8(ascii: "}"))
            Self.skipSpace(&probe)
            if probe.isEmpty { return isTrue ? try expand(whenTrue, depth: depth + 1) : [] }
            guard probe.popFirst() == UInt8(ascii: ":") else { throw ExpansionError("\"${\(Self.text(body))}\": \":\" expected") }
            return try expand(isTrue ? whenTrue : try Self.alternative(probe), depth: depth + 1)
        case UInt8(ascii: ":"):
            return isTrue ? nameValue : try expand(try Self.alternative(rest), depth: depth + 1)
        default: throw ExpansionError("\"${\(Self.text(body))}\" is not understood")
        }
    }

    /// `{left} operator {right}`: by number where both are numbers, else by text.
    private func comparison(_ rest: inout ArraySlice<UInt8>, depth: Int) throws(ExpansionError) -> Bool {
        let left = try expand(try Self.takeGroup(&rest, open: UInt8(ascii: "{"), close: UInt8(ascii: "}")), depth: depth + 1)
        Self.skipSpace(&rest)
        let operatorBytes = rest.prefix { "=!<>".utf8.contains($0) }
        rest = rest.dropFirst(operatorBytes.count)
        Self.skipSpace(&rest)
        guard rest.first == UInt8(ascii: "{") else { throw ExpansionError("a comparison lacks its right side") }
        let right = try expand(try Self.takeGroup(&rest, open: UInt8(ascii: "{"), close: UInt8(ascii: "}")), depth: depth + 1)
        let order: Int
        if let a = Int(Self.text(left[...])), let b = Int(Self.text(right[...])) {
            order = a < b ? -1 : a > b ? 1 : 0
        } else {
            order = left.lexicographicallyPrecedes(right) ? -1 : left == right ? 0 : 1
        }
        switch Self.text(operatorBytes) {
        case "==": return order == 0
        case "!=": return order != 0
        case "<": return order < 0
        case "<=": return order <= 0
        case ">": return order > 0
        case ">=": return order >= 0
        default: throw ExpansionError("\"\(Self.text(operatorBytes))\" is not a comparison")
        }
    }

    /// `text` or `{text}`.
    private static func alternative(_ text: ArraySlice<UInt8>) throws(ExpansionError) -> ArraySlice<UInt8> {
        var probe = text
        skipSpace(&probe)
        guard probe.first == UInt8(ascii: "{") else { return text }
        return try takeGroup(&probe, open: UInt8(ascii: "{"), close: UInt8(ascii: "}"))
    }

    private static func takeName(_ rest: inout ArraySlice<UInt8>) -> String {
        let name = rest.prefix { ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A || $0 >= 0x30 && $0 <= 0x39 || $0 == UInt8(ascii: "_") }
        rest = rest.dropFirst(name.count)
        return text(name)
    }

    /// Takes a bracketed group and returns its inside.
    private static func takeGroup(
        _ rest: inout ArraySlice<UInt8>, open: UInt8, close: UInt8
    ) throws(ExpansionError) -> ArraySlice<UInt8> {
        var depth = 0
        for index in rest.indices {
            if rest[index] == open { depth += 1 }
            if rest[index] == close { depth -= 1 }
            if depth == 0 {
                let inside = rest[rest.index(after: rest.startIndex)..<index]
                rest = rest[(index + 1)...]
                return inside
            }
        }
        throw ExpansionError("\"\(text(rest.prefix(40)))\" has no closing bracket")
    }

    private static func skipSpace(_ rest: inout ArraySlice<UInt8>) {
        rest = rest.drop { $0 == 0x20 || ($0 >= 0x09 && $0 <= 0x0D) }
    }

    private static func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }
}

extension TextExpansion {
    /// The names that a text refers to, nested ones included; for diagnosis only.
    public static func names(in text: String) -> Set<String> {
        var names: Set<String> = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "$") else { continue }
            if rest.first == UInt8(ascii: "$") {
                rest.removeFirst()
                continue
            }
            if rest.first == UInt8(ascii: "{") || rest.first == UInt8(ascii: "(") { rest.removeFirst() }
            let name = takeName(&rest)
            if !name.isEmpty { names.insert(name) }
        }
        return names
    }
}

// JSON for programs that read the answers of `martlet ... --json`: one object, on one line.

/// A value to be written as JSON (RFC 8259).
enum JSONText {
    case text(String)
    case number(Int64)
    case flag(Bool)
    case null
    case list([JSONText])
    case object([(String, JSONText)])

    /// The JSON text; bytes that are no UTF-8 have become U+FFFD before they get here.
    var encoded: String {
        switch self {
        case .text(let text): return Self.quote(text)
        case .number(let number): return String(number)
        case .flag(let flag): return flag ? "true" : "false"
        case .null: return "null"
        case .list(let items): return "[" + items.map(\.encoded).joined(separator: ", ") + "]"
        case .object(let members):
            return "{" + members.map { "\(Self.quote($0.0)): \($0.1.encoded)" }.joined(separator: ", ") + "}"
        }
    }

    private static func quote(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\t": out += "\\t"
            case "\r": out += "\\r"
            default:
                if scalar.value < 0x20 || scalar.value == 0x7F {
                    let hex = String(scalar.value, radix: 16)
                    out += "\\u" + String(repeating: "0", count: 4 - hex.utf8.count) + hex
                } else {
                    out.unicodeScalars.append(scalar)
                }
            }
        }
        return out + "\""
    }
}

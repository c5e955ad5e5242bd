// From expanded text to a typed value, and from a list's text to its words.

import MailModel

/// Why a text is no value of its parameter.
struct ValueError: Error, Hashable {
    let text: String
}

extension ParameterKind {
    /// Reads a value; surrounding white space does not count.
    func parse(_ text: String) throws(ValueError) -> ParsedValue {
        switch self {
        case .string: return .text(text)
        case .nonEmptyString:
            if text.isEmpty { throw ValueError(text: "may not be empty") }
            return .text(text)
        case .list: return .words(WordList.split(text))
        case .boolean:
            switch text.lowercased() {
            case "yes": return .flag(true)
            case "no": return .flag(false)
            default: throw ValueError(text: "\"\(text)\" is neither yes nor no")
            }
        case .words(let words):
            let lowered = text.lowercased()
            guard words.contains(lowered) else {
                throw ValueError(text: "\"\(text)\" is not one of: " + words.map { $0.isEmpty ? "(empty)" : $0 }.joined(separator: ", "))
            }
            return .text(lowered)
        case .feedback:
            guard Self.isFeedback(text) else {
                throw ValueError(text: "\"\(text)\" is not a number of 0 to 1, alone or / concurrency or / sqrt_concurrency")
            }
            return .text(text)
        case .integer(let bounds): return .number(try Self.number(text[...], whole: text, unit: nil, in: bounds))
        case .time(let defaultUnit, let bounds):
            var digits = text[...]
            var unit = defaultUnit
            if let last = text.last, let named = TimeUnit(rawValue: last.lowercased()) {
                unit = named
                digits = digits.dropLast()
            }
            return .number(try Self.number(digits, whole: text, unit: unit, in: bounds))
        }
    }

    private static func isFeedback(_ text: String) -> Bool {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            .map { $0.split { $0 == " " || $0 == "\t" } }
        guard let number = parts.first, number.count == 1, let digits = number.first else { return false }
        if parts.count == 2 && parts[1] != ["concurrency"] && parts[1] != ["sqrt_concurrency"] { return false }
        let halves = digits.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard halves.contains(where: { !$0.isEmpty }), digits.utf8.count <= 12,
            halves.allSatisfy({ $0.utf8.allSatisfy(ASCII.isDigit) })
        else { return false }
        let isOne = halves[0].drop { $0 == "0" } == "1" && halves.dropFirst().allSatisfy { $0.allSatisfy { $0 == "0" } }
        return isOne || halves[0].allSatisfy { $0 == "0" }
    }

    private static func number(
        _ digits: Substring, whole: String, unit: TimeUnit?, in bounds: ClosedRange<Int>
    ) throws(ValueError) -> Int {
        let times = unit?.inSeconds ?? 1
        let isNegative = digits.first == "-"
        guard let magnitude = ASCII.decimal(Array(digits.drop { $0 == "-" }.utf8)), !digits.dropFirst().contains("-") else {
            throw ValueError(text: "\"\(whole)\" is not a " + (unit == nil ? "number" : "time (a number and s, m, h, d or w)"))
        }
        let (product, overflow) = magnitude.multipliedReportingOverflow(by: isNegative ? -times : times)
        if overflow || product > bounds.upperBound { throw ValueError(text: "\"\(whole)\" is more than the maximum \(bounds.upperBound)") }
        if product < bounds.lowerBound { throw ValueError(text: "\"\(whole)\" is less than the minimum \(bounds.lowerBound)") }
        return product
    }
}

/// Lists of main.cf: words separated by commas and white space, where `{ }` keeps text together.
public enum WordList {
    public static func split(_ text: String) -> [String] {
        var words: [String] = []
        var word: [UInt8] = []
        var depth = 0
        func finish() {
            if !word.isEmpty { words.append(String(decoding: word, as: UTF8.self)) }
            word = []
        }
        for byte in text.utf8 {
            if byte == UInt8(ascii: "{") { depth += 1 }
            if byte == UInt8(ascii: "}") && depth > 0 { depth -= 1 }
            if depth == 0 && (byte == UInt8(ascii: ",") || ASCII.isSpace(byte)) { finish() } else { word.append(byte) }
        }
        finish()
        return words
    }
}

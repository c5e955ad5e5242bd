// Logical lines of main.cf, master.cf and table sources: a line that begins with white space continues the one before.
//
// Known limits: as in Postfix, a comment or an empty line between two parts of a logical line does not end it.

import MailModel

/// One logical line with the number of the physical line where it starts.
public struct LogicalLine: Hashable, Sendable {
    public let number: Int
    /// The text without surrounding white space, physical lines joined as they stand.
    public let text: [UInt8]
    /// Whether it began with white space although no line came before it to be continued.
    public let isOrphan: Bool

    /// Splits a file: comments (`#` as the first character that is not white space) and empty lines are left out.
    public static func split(_ bytes: some Collection<UInt8>) -> [LogicalLine] {
        var lines: [LogicalLine] = []
        var current: [UInt8] = []
        var start = 0
        var isOrphan = false
        var number = 0
        func trimmed(_ line: [UInt8]) -> [UInt8] {
            guard let first = line.firstIndex(where: { !ASCII.isSpace($0) }), let last = line.lastIndex(where: { !ASCII.isSpace($0) })
            else { return [] }
            return Array(line[first...last])
        }
        func finish() {
            if start > 0 { lines.append(LogicalLine(number: start, text: trimmed(current), isOrphan: isOrphan)) }
            current = []
            start = 0
        }
        for physical in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            guard let first = physical.first(where: { !ASCII.isSpace($0) }) else { continue }
            if first == UInt8(ascii: "#") { continue }
            let isContinuation = physical.first.map(ASCII.isSpace) ?? false
            if isContinuation && start > 0 {
                current.append(contentsOf: physical)
            } else {
                finish()
                start = number
                isOrphan = isContinuation
                current = Array(physical)
            }
        }
        finish()
        return lines
    }
}

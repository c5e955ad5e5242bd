// The Delivered-To fields of a message: the places it has been to. A recipient among them means that it came back (RFC 5321 section 6.3).

import MailModel

/// The addresses in the Delivered-To fields of a message's header.
struct DeliveryTrail: Sendable {
    private var visited: Set<[UInt8]> = []

    /// How much of a message may be header for this purpose; what lies beyond is not looked at.
    static let headerLimit = 256 << 10
    /// Where most headers end.
    static let usualSize = 16 << 10
    /// Whether the end of the header was seen.
    private(set) var isWhole = false

    /// - Parameter start: the first octets of the content, up to ``headerLimit``.
    init(contentStart start: [UInt8]) {
        let name = Array("delivered-to:".utf8)
        var lineStart = 0
        while lineStart < start.count {
            let lineEnd = start[lineStart...].firstIndex(of: UInt8(ascii: "\n")) ?? start.count
            var line = start[lineStart..<lineEnd]
            if line.last == UInt8(ascii: "\r") { line.removeLast() }
            if line.isEmpty {
                isWhole = lineEnd < start.count
                break
            }
            if line.count > name.count, ASCII.equalsIgnoringCase(line.prefix(name.count), name) {
                visited.insert(DeliveryTrail.key(ExpansionItem.trimmed(line.dropFirst(name.count))))
            }
            lineStart = lineEnd + 1
        }
    }

    /// Whether the message was delivered to this address before.
    func contains(_ address: MailAddress) -> Bool {
        !visited.isEmpty && visited.contains(DeliveryTrail.key(DeliveryHeader.oneLine(address.externalForm)))
    }

    private static func key(_ address: [UInt8]) -> [UInt8] { address.map(ASCII.lowercased) }
}

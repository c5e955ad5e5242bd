// The TLS versions that a parameter allows: `smtpd_tls_protocols = >=TLSv1.2`, `!SSLv2, !SSLv3`, `TLSv1.2 TLSv1.3` (Postfix TLS_README).
//
// Security: RFC 8996: TLS 1.0 and 1.1 must not be used. They are used only where the administrator names them (`>=TLSv1`), never because a
// list of exclusions that was written before 2021 forgot them. SSL is never used.
// Limits: the library knows a lowest and a highest version only; of a list with a hole the part with the newest version counts.

import NIOSSL

/// A range of TLS versions.
public struct TLSVersions: Hashable, Sendable {
    /// TLS 1.2 and later.
    public static let modern = TLSVersions(lowest: 2, highest: 3)

    /// Places in ``names``.
    let lowest: Int
    let highest: Int

    private init(lowest: Int, highest: Int) {
        self.lowest = lowest
        self.highest = highest
    }

    private static let names = ["tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3"]
    private static let known: [TLSVersion] = [.tlsv1, .tlsv11, .tlsv12, .tlsv13]

    /// Reads the words of a parameter; none at all is the default.
    public init(_ words: [String]) throws(TLSError) {
        var named: Set<Int> = []
        var excluded: Set<Int> = []
        var floor: Int?
        var ceiling = TLSVersions.names.count - 1
        // Postfix separates by colons as well.
        for word in words.flatMap({ $0.split(separator: ":").map(String.init) }) {
            if word.hasPrefix(">=") {
                // A floor below TLS 1.0 is all there is.
                floor = try TLSVersions.place(word.dropFirst(2), in: word) ?? 0
            } else if word.hasPrefix("<=") {
                ceiling = try TLSVersions.place(word.dropFirst(2), in: word) ?? -1
            } else if word.hasPrefix("!") {
                if let place = try TLSVersions.place(word.dropFirst(), in: word) { excluded.insert(place) }
            } else if let place = try TLSVersions.place(word[...], in: word) {
                named.insert(place)
            }
        }
        var allowed = named.isEmpty ? Set((floor ?? TLSVersions.modern.lowest)..<TLSVersions.names.count) : named
        allowed = allowed.filter { $0 >= floor ?? 0 && $0 <= ceiling }.subtracting(excluded)
        guard let newest = allowed.max() else { throw TLSError("\(words.joined(separator: ", ")): no TLS version is left") }
        var oldest = newest
        while allowed.contains(oldest - 1) { oldest -= 1 }
        self.init(lowest: oldest, highest: newest)
    }

    /// The place of a version; nil for SSL, which there is not.
    private static func place(_ name: Substring, in word: String) throws(TLSError) -> Int? {
        let lowered = name.lowercased()
        if let place = names.firstIndex(of: lowered == "tlsv1.0" ? "tlsv1" : lowered) { return place }
        if lowered == "sslv2" || lowered == "sslv3" { return nil }
        throw TLSError("\(word): not a TLS version (there are: TLSv1, TLSv1.1, TLSv1.2, TLSv1.3)")
    }

    func apply(to configuration: inout TLSConfiguration) {
        configuration.minimumTLSVersion = TLSVersions.known[lowest]
        configuration.maximumTLSVersion = TLSVersions.known[highest]
    }
}

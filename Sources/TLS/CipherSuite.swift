// Names and strengths of cipher suites, and how to read the chosen one out of a ServerHello.
//
// NIOSSL does not say which cipher suite was negotiated, and the log line and the Received field must. The ServerHello is plain text on the
// wire (RFC 8446 section 4.1.3, RFC 5246 section 7.4.1.3), so it is read there.
// Security: the bytes may come from a hostile server. The parser is total and reads at most the first record; the result is only ever text
// in a log line.

/// A cipher suite by its registered number.
struct CipherSuite: Hashable, Sendable {
    /// The number in the registry "TLS Cipher Suites" of IANA.
    let identifier: UInt16

    /// OpenSSL's name and the strength in bits, as Postfix logs them.
    var nameAndBits: (name: String, bits: Int) {
        switch identifier {
        case 0x1301: ("TLS_AES_128_GCM_SHA256", 128)
        case 0x1302: ("TLS_AES_256_GCM_SHA384", 256)
        case 0x1303: ("TLS_CHACHA20_POLY1305_SHA256", 256)
        case 0xC02B: ("ECDHE-ECDSA-AES128-GCM-SHA256", 128)
        case 0xC02C: ("ECDHE-ECDSA-AES256-GCM-SHA384", 256)
        case 0xC02F: ("ECDHE-RSA-AES128-GCM-SHA256", 128)
        case 0xC030: ("ECDHE-RSA-AES256-GCM-SHA384", 256)
        case 0xCCA8: ("ECDHE-RSA-CHACHA20-POLY1305", 256)
        case 0xCCA9: ("ECDHE-ECDSA-CHACHA20-POLY1305", 256)
        case 0xC009: ("ECDHE-ECDSA-AES128-SHA", 128)
        case 0xC00A: ("ECDHE-ECDSA-AES256-SHA", 256)
        case 0xC013: ("ECDHE-RSA-AES128-SHA", 128)
        case 0xC014: ("ECDHE-RSA-AES256-SHA", 256)
        case 0x009C: ("AES128-GCM-SHA256", 128)
        case 0x009D: ("AES256-GCM-SHA384", 256)
        case 0x002F: ("AES128-SHA", 128)
        case 0x0035: ("AES256-SHA", 256)
        default: ("0x" + String(identifier, radix: 16, uppercase: true), 0)
        }
    }

    /// How many bytes of the server's flight ``init(serverFlight:)`` can need: record and handshake heads, version, random, session id,
    /// suite.
    static let bytesNeeded = 5 + 4 + 2 + 32 + 1 + 32 + 2

    /// Reads the suite from the start of the server's first flight; nil while there are too few bytes or where it is no ServerHello.
    init?(serverFlight bytes: some RandomAccessCollection<UInt8>) {
        func byte(_ offset: Int) -> UInt8? {
            guard offset < bytes.count else { return nil }
            return bytes[bytes.index(bytes.startIndex, offsetBy: offset)]
        }
        // Record: type 22 (handshake), version, length. Handshake: type 2 (server_hello), length of three bytes. Then version and random.
        guard byte(0) == 22, byte(5) == 2, let sessionLength = byte(5 + 4 + 2 + 32), sessionLength <= 32 else { return nil }
        let offset = 5 + 4 + 2 + 32 + 1 + Int(sessionLength)
        guard let high = byte(offset), let low = byte(offset + 1) else { return nil }
        identifier = UInt16(high) << 8 | UInt16(low)
    }
}

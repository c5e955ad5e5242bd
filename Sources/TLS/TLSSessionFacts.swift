// What a finished handshake says about itself: for the log line, for the Received field, and nothing else.
//
// The text is the one that Postfix writes and that log analysers parse: `TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)`.

/// The parameters of an established TLS session.
public struct TLSSessionFacts: Hashable, Sendable {
    /// `TLSv1.3`, `TLSv1.2`.
    public var protocolVersion: String
    /// The name that OpenSSL gives the cipher suite: `TLS_AES_256_GCM_SHA384`, `ECDHE-RSA-AES128-GCM-SHA256`.
    public var cipher: String
    /// Strength of the symmetric cipher in bits.
    public var cipherBits: Int
    /// How far the peer's certificate was checked.
    public var peerStatus: PeerStatus

    /// Postfix's words for what is known about the peer.
    public enum PeerStatus: String, Hashable, Sendable {
        /// The peer showed no certificate.
        case anonymous = "Anonymous"
        /// The peer's certificate was not verified.
        case untrusted = "Untrusted"
        /// The certificate chains to a trusted authority.
        case trusted = "Trusted"
        /// The certificate chains to a trusted authority and has the name of the peer.
        case verified = "Verified"
    }

    public init(protocolVersion: String, cipher: String, cipherBits: Int, peerStatus: PeerStatus) {
        self.protocolVersion = protocolVersion
        self.cipher = cipher
        self.cipherBits = cipherBits
        self.peerStatus = peerStatus
    }

    /// `TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)`.
    public var summary: String { "\(protocolVersion) with cipher \(cipher) (\(cipherBits)/\(cipherBits) bits)" }

    /// For the Received field: `using TLSv1.3 with cipher ...`.
    public var receivedComment: String { "using \(summary)" }

    /// The log line: `Anonymous TLS connection established from host[address]: TLSv1.3 with ...`.
    ///
    /// - Parameter peer: with its preposition, `from host[address]` or `to host[address]:port`.
    public func logLine(_ peer: String) -> String { "\(peerStatus.rawValue) TLS connection established \(peer): \(summary)" }
}

// The TLS parameters of a delivery service, and the context made from them before the jail.

import DNSClient
import MailConfiguration
import MailModel
import TLS

/// `smtp_tls_...`, or `lmtp_tls_...` where the program speaks LMTP.
struct ClientTLSSettings: Sendable {
    /// Whose name the server's certificate must have.
    enum Match: Hashable, Sendable {
        /// The host that was connected to (`verify`).
        case host
        /// The next hop, or the host where it lies under the next hop's domain (`secure`): the names in MX records are not believed
        /// (Postfix's `smtp_tls_secure_cert_match = nexthop, dot-nexthop`).
        case nextHop
    }

    var match = Match.host
    private var level = ""
    private var versions = TLSVersions.modern
    private var authorities: [String] = []
    private var chainFiles: [String] = []
    private var certificateFile = ""
    private var keyFile = ""

    /// The defaults.
    init() {}

    init(_ configuration: Configuration, isLMTP: Bool) throws(TLSError) {
        func pick<Value>(_ smtp: Parameter<Value>, _ lmtp: Parameter<Value>) -> Value { configuration[isLMTP ? lmtp : smtp] }
        typealias P = Parameters
        level = pick(P.smtpTLSSecurityLevel, P.lmtpTLSSecurityLevel)
        match = level == "secure" ? .nextHop : .host
        let isMandatory = level == "encrypt" || isVerifying
        versions = try TLSVersions(
            isMandatory
                ? pick(P.smtpTLSMandatoryProtocols, P.lmtpTLSMandatoryProtocols) : pick(P.smtpTLSProtocols, P.lmtpTLSProtocols))
        authorities = [pick(P.smtpTLSCAFile, P.lmtpTLSCAFile), pick(P.smtpTLSCAPath, P.lmtpTLSCAPath)].filter { !$0.isEmpty }
        chainFiles = pick(P.smtpTLSChainFiles, P.lmtpTLSChainFiles)
        certificateFile = pick(P.smtpTLSCertFile, P.lmtpTLSCertFile)
        keyFile = pick(P.smtpTLSKeyFile, P.lmtpTLSKeyFile)
    }

    private var isVerifying: Bool { level == "verify" || level == "secure" }

    /// Reads the files.
    func makeContext() throws(TLSError) -> TLSClientContext {
        var identity: TLSIdentity?
        if !chainFiles.isEmpty {
            identity = try TLSIdentity(chainFiles: chainFiles)
        } else if !certificateFile.isEmpty {
            identity = try TLSIdentity(certificateFile: certificateFile, keyFile: keyFile.isEmpty ? certificateFile : keyFile)
        }
        return try TLSClientContext(
            verification: isVerifying ? .full(authorities: authorities) : .none, versions: versions, identity: identity)
    }

    /// The name that the certificate of `host` must have, which is also told to the server (SNI).
    func serverName(of host: String, nextHop: String) -> String {
        guard match == .nextHop, !nextHop.isEmpty else { return host }
        let suffix = Array(".\(nextHop)".utf8)
        let isBelow = host.utf8.count > suffix.count && ASCII.equalsIgnoringCase(host.utf8.suffix(suffix.count), suffix)
        return isBelow ? host : nextHop
    }
}

// The server's certificate and key, loaded before the jail, and TLS on an accepted connection.
//
// Security: files are read once, while the process may still read them. TLS 1.2 is the oldest version unless the administrator names an
// older one (RFC 8996). Client certificates are not asked for.
// Limits: one certificate per context; no SNI selection.

public import NIOCore
import NIOSSL

/// A server's TLS identity.
public struct TLSServerContext: Sendable {
    private let context: NIOSSLContext

    /// - Parameters:
    ///   - identity: the certificate and its key.
    ///   - versions: `smtpd_tls_protocols`, or `smtpd_tls_mandatory_protocols` where TLS is required.
    public init(_ identity: TLSIdentity, versions: TLSVersions = .modern) throws(TLSError) {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: identity.chain.map { .certificate($0) }, privateKey: .privateKey(identity.key))
        versions.apply(to: &configuration)
        configuration.certificateVerification = .none
        do {
            context = try NIOSSLContext(configuration: configuration)
        } catch {
            throw TLSError("cannot use the certificate and its key: \(error)")
        }
    }

    /// Puts TLS in front of everything on `channel`; call it on the channel's event loop.
    ///
    /// For STARTTLS, call it after `220` has been written and after the buffered plain text has been dropped.
    public func startTLS(on channel: any Channel) throws(TLSError) -> EventLoopFuture<TLSSessionFacts> {
        try startHandshake(
            NIOSSLServerHandler(context: context), on: channel, observing: .serverHelloOutbound, verifiedStatus: .untrusted)
    }
}

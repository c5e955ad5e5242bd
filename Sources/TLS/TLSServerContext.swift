// The server's certificate and key, loaded before the jail, and TLS on an accepted connection.
//
// Security: files are read once, while the process may still read them; only the parsed key stays in memory. TLS 1.2 is the oldest version
// (RFC 8996). Client certificates are not asked for.
// Limits: one certificate per context; no SNI selection.

public import NIOCore
import NIOSSL

/// A server's TLS identity.
public struct TLSServerContext: Sendable {
    private let context: NIOSSLContext

    /// Loads a certificate chain and its key.
    ///
    /// - Parameters:
    ///   - certificateFile: PEM, the server's certificate first, then intermediates (`smtpd_tls_cert_file`).
    ///   - keyFile: PEM (`smtpd_tls_key_file`).
    public init(certificateFile: String, keyFile: String) throws(TLSError) {
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(certificateFile)
            guard !chain.isEmpty else { throw TLSError("no certificate in \(certificateFile)") }
            let key = try NIOSSLPrivateKey(file: keyFile, format: .pem)
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
            configuration.minimumTLSVersion = .tlsv12
            configuration.certificateVerification = .none
            context = try NIOSSLContext(configuration: configuration)
        } catch let error as TLSError {
            throw error
        } catch {
            throw TLSError("cannot load certificate \(certificateFile) and key \(keyFile): \(error)")
        }
    }

    /// Loads a file that has the key first and then the chain (`smtpd_tls_chain_files`).
    public init(chainFile: String) throws(TLSError) { try self.init(certificateFile: chainFile, keyFile: chainFile) }

    /// Puts TLS in front of everything on `channel`; call it on the channel's event loop.
    ///
    /// For STARTTLS, call it after `220` has been written and after the buffered plain text has been dropped.
    public func startTLS(on channel: any Channel) throws(TLSError) -> EventLoopFuture<TLSSessionFacts> {
        try startHandshake(
            NIOSSLServerHandler(context: context), on: channel, observing: .serverHelloOutbound, verifiedStatus: .untrusted)
    }
}

// TLS towards other mail servers.
//
// Security: opportunistic TLS does not verify the peer (RFC 7435): without DANE or MTA-STS a name check would protect nobody, because the
// MX record itself is unauthenticated. `verify` and `secure` ask for a chain to a trusted root and for the peer's name.
// Limits: no DANE; the chain of an opportunistic session is not looked at, so that its log line says `Untrusted` of every peer.

public import NIOCore
import NIOSSL
import SystemKit

/// How a client uses TLS.
public struct TLSClientContext: Sendable {
    /// What is asked of the server's certificate.
    public enum Verification: Hashable, Sendable {
        /// Any certificate will do (`smtp_tls_security_level` may, encrypt).
        case none
        /// A chain to a root in these files and directories, or to one of the system's where there are none, and the server's name
        /// (verify, secure).
        case full(authorities: [String])
    }

    private let context: NIOSSLContext
    private let status: TLSSessionFacts.PeerStatus

    /// Loads what is needed before the jail; authority files are read here and never again.
    ///
    /// - Parameters:
    ///   - versions: `smtp_tls_protocols`, or `smtp_tls_mandatory_protocols` where TLS is required.
    ///   - identity: the client's own certificate, for servers that ask for one.
    public init(
        verification: Verification = .none, versions: TLSVersions = .modern, identity: TLSIdentity? = nil
    ) throws(TLSError) {
        var configuration = TLSConfiguration.makeClientConfiguration()
        versions.apply(to: &configuration)
        if let identity {
            configuration.certificateChain = identity.chain.map { .certificate($0) }
            configuration.privateKey = .privateKey(identity.key)
        }
        switch verification {
        case .none:
            configuration.certificateVerification = .none
            configuration.trustRoots = .certificates([])
            status = .untrusted
        case .full(let authorities):
            configuration.certificateVerification = .fullVerification
            configuration.trustRoots = authorities.isEmpty ? .default : .certificates([])
            configuration.additionalTrustRoots = try authorities.map { path throws(TLSError) in try TLSClientContext.roots(path) }
            status = .verified
        }
        do {
            context = try NIOSSLContext(configuration: configuration)
        } catch {
            throw TLSError("cannot set up TLS: \(error)")
        }
    }

    /// The roots in a file, or in the files of a directory: the library would look into a directory at each handshake, which a jailed program
    /// cannot.
    private static func roots(_ path: String) throws(TLSError) -> NIOSSLAdditionalTrustRoots {
        FileWatch.ofProcess.add(path)
        guard (try? Files.status(of: path))?.isDirectory == true else { return .file(path) }
        let names: [String]
        do throws(SystemError) { names = try Files.directoryEntries(path) } catch { throw TLSError("cannot read \(path): \(error)") }
        // The directory may also have revocation lists and files of other kinds; each certificate of openssl-rehash(1) is there under two names.
        let certificates = Set(names.flatMap { (try? NIOSSLCertificate.fromPEMFile("\(path)/\($0)")) ?? [] })
        return .certificates(Array(certificates))
    }

    /// Puts TLS in front of everything on `channel`; call it on the channel's event loop.
    ///
    /// For STARTTLS, call it after the server's `220` and after whatever plain text followed that has been dropped.
    ///
    /// - Parameter serverName: for SNI and verification; nil where the peer is known only by its address.
    /// - Returns: a future that the caller bounds in time by closing the channel.
    public func startTLS(on channel: any Channel, serverName: String?) throws(TLSError) -> EventLoopFuture<TLSSessionFacts> {
        let handler: NIOSSLClientHandler
        do {
            handler = try NIOSSLClientHandler(context: context, serverHostname: serverName.flatMap { isServerName($0) ? $0 : nil })
        } catch {
            throw TLSError("cannot start TLS with \(serverName ?? "the peer"): \(error)")
        }
        return try startHandshake(handler, on: channel, observing: .serverHelloInbound, verifiedStatus: status)
    }

    /// SNI carries host names only: no addresses, no trailing dot (RFC 6066 section 3).
    private func isServerName(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard (1...253).contains(bytes.count), bytes.last != UInt8(ascii: "."), !bytes.contains(UInt8(ascii: ":")) else { return false }
        guard !bytes.allSatisfy({ ($0 >= 0x30 && $0 <= 0x39) || $0 == UInt8(ascii: ".") }) else { return false }
        return bytes.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }
}

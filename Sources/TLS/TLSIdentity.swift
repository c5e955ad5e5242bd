// A certificate chain with its key, read from PEM files: of a server, or of a client that its server asks for one.
//
// Security: files are read once, while the process may still read them; only the parsed key stays in memory.
// Limits: one certificate per identity: of several in `..._tls_chain_files` the first.

import NIOSSL
import SystemKit

/// A certificate and its key.
public struct TLSIdentity: Sendable {
    let chain: [NIOSSLCertificate]
    let key: NIOSSLPrivateKey

    /// - Parameters:
    ///   - certificateFile: PEM, the own certificate first, then intermediates.
    ///   - keyFile: PEM; may be the same file.
    public init(certificateFile: String, keyFile: String) throws(TLSError) {
        for file in [certificateFile, keyFile] { FileWatch.ofProcess.add(file) }
        do {
            chain = try NIOSSLCertificate.fromPEMFile(certificateFile)
            guard !chain.isEmpty else { throw TLSError("no certificate in \(certificateFile)") }
            key = try NIOSSLPrivateKey(file: keyFile, format: .pem)
        } catch let error as TLSError {
            throw error
        } catch {
            throw TLSError("cannot load certificate \(certificateFile) and key \(keyFile): \(error)")
        }
    }

    /// Files that hold a key and then its chain, together or one after the other (`smtpd_tls_chain_files`).
    public init(chainFiles: [String]) throws(TLSError) {
        let names = chainFiles.joined(separator: ", ")
        for file in chainFiles { FileWatch.ofProcess.add(file) }
        do {
            var text: [UInt8] = []
            for file in chainFiles { text += try Files.contents(of: file) + [UInt8(ascii: "\n")] }
            let (keyText, chainText) = TLSIdentity.firstIdentity(text)
            guard !keyText.isEmpty else { throw TLSError("no private key in \(names)") }
            guard !chainText.isEmpty else { throw TLSError("no certificate after the private key in \(names)") }
            chain = try NIOSSLCertificate.fromPEMBytes(chainText)
            key = try NIOSSLPrivateKey(bytes: keyText, format: .pem)
        } catch let error as TLSError {
            throw error
        } catch {
            throw TLSError("cannot load \(names): \(error)")
        }
    }

    /// The first key, and the certificates between it and the next key.
    static func firstIdentity(_ text: [UInt8]) -> (key: [UInt8], chain: [UInt8]) {
        var key: [UInt8] = []
        var chain: [UInt8] = []
        var block: [UInt8] = []
        var label = ""
        for line in text.split(separator: UInt8(ascii: "\n")) {
            let words = String(decoding: line, as: UTF8.self).split { $0 == " " || $0 == "\r" }.joined(separator: " ")
            if words.hasPrefix("-----BEGIN ") {
                label = String(words.dropFirst("-----BEGIN ".count))
                block = []
            }
            guard !label.isEmpty else { continue }
            block += line + [UInt8(ascii: "\n")]
            guard words.hasPrefix("-----END ") else { continue }
            if label.hasSuffix("PRIVATE KEY-----") {
                if !key.isEmpty { break }
                key = block
            } else if label.hasSuffix("CERTIFICATE-----"), !key.isEmpty {
                chain += block
            }
            label = ""
        }
        return (key, chain)
    }
}

import SystemKit
import Testing

@testable import MailConfiguration

/// Holds ``Parameters/withoutEffect`` against the sources.
@Suite struct UnusedParametersTests {
    private let sources = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/Sources"

    private func text(_ path: String) throws -> String { String(decoding: try Files.contents(of: path), as: UTF8.self) }

    private func swiftFiles(in room: String) throws -> [String] {
        try Files.directoryEntries("\(sources)/\(room)").filter { $0.hasSuffix(".swift") }.map { "\(sources)/\(room)/\($0)" }
    }

    /// The identifiers in a text that stand behind a dot, and the words in quotes.
    private func mentions(_ text: String) -> Set<String> {
        var found: Set<String> = []
        let pieces = text.split { !($0.isLetter || $0.isNumber || $0 == "_" || $0 == "." || $0 == "\"") }
        for piece in pieces {
            if piece.hasPrefix("\"") { found.insert(String(piece.filter { $0 != "\"" })) }
            for part in piece.split(separator: ".", omittingEmptySubsequences: false).dropFirst() { found.insert(String(part)) }
        }
        return found
    }

    /// Swift name to parameter name, as the declarations say.
    private func declarations() throws -> [String: String] {
        var names: [String: String] = [:]
        for file in try swiftFiles(in: "MailConfiguration") where file.contains("Parameters+") {
            let pieces = try text(file).split(separator: "public static let ").dropFirst()
            for piece in pieces {
                let quoted = piece.split(separator: "\"", maxSplits: 2)
                guard let name = piece.split(separator: " ").first, quoted.count > 1 else { continue }
                names[String(name)] = String(quoted[1])
            }
        }
        return names
    }

    @Test func theListIsTrue() throws {
        let declarations = try declarations()
        #expect(Set(declarations.values) == Set(Parameters.all.map(\.name)))
        var mentioned: Set<String> = []
        for room in try Files.directoryEntries(sources) where try Files.status(of: "\(sources)/\(room)").isDirectory {
            for file in try swiftFiles(in: room) {
                let declaring = ["/Parameters", "/UnusedParameters", "/TransportParameter"]
                if room == "MailConfiguration" && declaring.contains(where: file.contains) { continue }
                // It says what the lack of each means.
                if file.hasSuffix("/ImportEffects.swift") { continue }
                mentioned.formUnion(mentions(try text(file)))
            }
        }
        var read = Set(declarations.filter { mentioned.contains($0.key) || mentioned.contains($0.value) }.values)
        // Limits of transports are read by their suffix, and a default may name another parameter.
        for parameter in TransportParameter.allCases where mentioned.contains("\(parameter)") {
            read.insert(parameter.fallback.name)
            read.formUnion(declarations.values.filter { TransportParameter.transport(inName: $0)?.parameter == parameter })
        }
        var isGrowing = true
        while isGrowing {
            let before = read.count
            for declaration in Parameters.all where read.contains(declaration.name) {
                read.formUnion(TextExpansion.names(in: declaration.defaultText))
            }
            isGrowing = read.count > before
        }
        let unread = Set(declarations.values).subtracting(read)
        #expect(
            unread.subtracting(Parameters.withoutEffect).sorted() == [], "no program reads these: add them to Parameters.withoutEffect")
        #expect(Parameters.withoutEffect.subtracting(unread).sorted() == [], "programs read these: take them from Parameters.withoutEffect")
    }

    @Test func settingOneIsAWarning() throws {
        let configuration = try Configuration(text: "smtpd_sasl_auth_enable = yes\nbiff = yes\n")
        #expect(configuration.warnings.map(\.line) == [1])
    }
}

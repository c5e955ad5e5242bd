// The house as ARCHITECTURE.md describes it, held against the sources: who may import whom, what is nowhere to be found, and no file too long.

import SystemKit
import Testing

/// One Swift file of the project.
struct SourceFile: CustomTestStringConvertible, Sendable {
    let room: String
    let path: String
    let lines: [Substring]

    var testDescription: String { path }

    /// The modules that the file imports.
    var imports: [String] {
        lines.compactMap { line in
            let words = line.split(separator: " ")
            guard let index = words.firstIndex(of: "import"), index <= 1, !line.hasPrefix("//"), words.count > index + 1 else { return nil }
            if index == 1 && !["public", "internal", "package", "private", "@preconcurrency", "@testable"].contains(words[0]) {
                return nil
            }
            return String(words[index + 1])
        }
    }

    static let all: [SourceFile] = {
        var found: [SourceFile] = []
        for room in (try? Files.directoryEntries("\(root)/Sources")) ?? [] {
            for name in (try? Files.directoryEntries("\(root)/Sources/\(room)")) ?? [] where name.hasSuffix(".swift") {
                guard let bytes = try? Files.contents(of: "\(root)/Sources/\(room)/\(name)") else { continue }
                let text = String(decoding: bytes, as: UTF8.self)
                found.append(
                    SourceFile(
                        room: room, path: "Sources/\(room)/\(name)", lines: text.split(separator: "\n", omittingEmptySubsequences: false)))
            }
        }
        return found
    }()

    static let root = String(#filePath.dropLast("/Tests/ArchitectureTests/RoomsTests.swift".count))
}

@Suite struct RoomsTests {
    static let executables: Set<String> = [
        "master", "smtpd", "cleanup", "qmgr", "smtp", "local", "bounce", "pickup", "resolver", "sendmail", "postdrop", "postqueue",
        "martlet", "suite",
    ]
    static let programs: Set<String> = [
        "Master", "SMTPServer", "Cleanup", "QueueManager", "SMTPClient", "LocalDelivery", "Bounce", "Pickup", "Resolver", "Submission",
        "Administration",
    ]
    static let pure: Set<String> = ["MailModel", "InternetMessage", "SMTPProtocol", "DeliveryStatus", "Scheduling"]
    static let services: Set<String> = [
        "MailQueue", "MailIPC", "MailConfiguration", "LookupTables", "AddressRouting", "DNSClient", "TLS", "MailLog",
    ]

    @Test func theSourcesWereFound() {
        #expect(SourceFile.all.count > 150)
        let rooms = Set(SourceFile.all.map(\.room))
        #expect(rooms == Self.executables.union(Self.programs).union(Self.pure).union(Self.services).union(["ServiceKit", "SystemKit"]))
    }

    @Test(arguments: SourceFile.all) func importsPointDown(file: SourceFile) {
        for name in file.imports where name != file.room {
            #expect(!["Foundation", "FoundationEssentials", "Dispatch"].contains(name), "DESIGN.md, section 9")
            if Self.pure.contains(file.room) {
                #expect(
                    Self.pure.contains(name) || ["HeapModule", "OrderedCollections", "DequeModule"].contains(name),
                    "a pure room imports \(name): no I/O, no clock, no Glibc")
            }
            if Self.services.contains(file.room) || file.room == "SystemKit" {
                #expect(!Self.programs.contains(name) && name != "ServiceKit", "\(file.room) imports \(name), which is above it")
            }
            if file.room == "ServiceKit" { #expect(!Self.programs.contains(name), "ServiceKit imports the program \(name)") }
            if Self.programs.contains(file.room) { #expect(!Self.programs.contains(name), "one program imports another: \(name)") }
            if !["SystemKit"].contains(file.room) {
                #expect(name != "Glibc", "system calls are SystemKit's")
            }
        }
    }

    /// DESIGN.md, section 2: who may touch the queue, the Internet, other identities, other processes.
    @Test(arguments: SourceFile.all) func whoMayDoWhat(file: SourceFile) {
        func mentions(_ word: String) -> Bool {
            file.lines.contains { $0.contains(word) && !$0.drop(while: { $0 == " " }).hasPrefix("//") }
        }
        if mentions("QueueFileWriter(") { #expect(["Cleanup", "MailQueue"].contains(file.room), "only cleanup creates queue files") }
        if mentions("QueueFileMark.") { #expect(["QueueManager", "MailQueue"].contains(file.room), "only qmgr changes queue files") }
        if mentions("ProcessSpawn.spawn(") && Self.programs.contains(file.room) {
            // sendmail runs postdrop and martlet starts master: commands of the caller, not services.
            #expect(["Master", "LocalDelivery", "Submission", "Administration"].contains(file.room), "only master starts services")
        }
        if mentions("Privileges.assume(") {
            #expect(["LocalDelivery", "SystemKit"].contains(file.room), "only local becomes another user")
        }
    }

    @Test(arguments: SourceFile.all) func filesAreShortAndExplained(file: SourceFile) {
        #expect(file.lines.count <= 800, "\(file.lines.count) lines")
        if !Self.executables.contains(file.room) {
            #expect(file.lines.first?.hasPrefix("//") ?? false, "no comment at its head that says what it is for")
        }
        if Self.executables.contains(file.room) { #expect(file.lines.count <= 60, "a main fits on one screen") }
        let name = file.path.split(separator: "/").last ?? ""
        for dump in ["Utils", "Helpers", "Extensions", "Misc"] { #expect(!name.hasPrefix(dump), "\(dump) is no concern") }
        for (index, line) in file.lines.enumerated() {
            for mark in ["TO" + "DO", "FIX" + "ME", "XX" + "X:"] {
                #expect(!line.contains(mark), "\(file.path):\(index + 1): an unfinished mark")
            }
            let code = line.split(separator: "//", maxSplits: 1, omittingEmptySubsequences: false)[0]
            for unsafe in ["@unchecked Sendable", "nonisolated(unsafe)", "try!", " as!"] where code.contains(unsafe) {
                let proof = file.lines[max(0, index - 6)...index].contains { $0.contains("//") && $0.lowercased().contains("proof") }
                #expect(proof, "\(file.path):\(index + 1): \(unsafe) without a proof beside it")
            }
        }
    }
}

import MailConfiguration
import SystemKit
import Testing

@testable import LookupTables

@Suite struct IndexedTableTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test func buildsAndFindsWithoutCase() throws {
        let path = try directory.write(
            "# comment\nMatt@Example.org  matt, \n   phil\n\"a b\"@example.org  quoted\nexample.org anything\n", to: "virtual")
        let report = try TableBuilder.build(source: path, format: .table)
        #expect(report.count == 3 && report.warnings == [] && report.path == path + ".lmdb")
        for type in ["lmdb", "hash", "btree", "proxy:hash"] {
            let set = TableSet(specifications: ["\(type):\(path)"])
            #expect(try set.lookup("matt@EXAMPLE.org") == "matt,    phil")
            #expect(try set.lookup("\"a b\"@example.org") == "quoted")
            #expect(try set.lookup("example.net") == nil)
            #expect(try set.lookup("") == nil)
            #expect(try set.lookup(String(repeating: "x", count: 2000)) == nil)
        }
        #expect(try Files.status(of: report.path).mode & 0o777 == 0o640)
        #expect(try Files.directoryEntries(directory.path).sorted() == ["virtual", "virtual.lmdb"])
    }

    @Test func aTableThatCannotBeOpenedFails() throws {
        let set = TableSet(specifications: ["lmdb:\(directory.path)/absent"])
        #expect(throws: LookupError.self) { try set.lookup("x") }
        try directory.write(String(repeating: "garbage ", count: 2000), to: "broken.lmdb")
        let broken = TableSet(specifications: ["lmdb:\(directory.path)/broken"])
        #expect(throws: LookupError.self) { try broken.lookup("x") }
        #expect(broken.problems().count == 1)
    }

    @Test func aTruncatedIndexFails() throws {
        let text = (0..<2000).map { "key\($0) \(String(repeating: "v", count: 100))\n" }.joined()
        let path = try directory.write(text, to: "big")
        let report = try TableBuilder.build(source: path, format: .table)
        let whole = try Files.contents(of: report.path)
        let cut = try FileDescriptor.open(report.path, [.writeOnly, .truncate])
        try cut.writeAll(whole.prefix(whole.count / 2))
        #expect(throws: LookupError.self) { try TableSet(specifications: ["lmdb:\(path)"]).lookup("key1999") }
    }

    @Test func aRebuiltTableIsSeen() throws {
        let path = try directory.write("a 1\n", to: "t")
        _ = try TableBuilder.build(source: path, format: .table)
        let set = TableSet(specifications: ["lmdb:\(path)"])
        #expect(try set.lookup("a") == "1")
        try directory.write("a 2\nb 3\n", to: "t")
        _ = try TableBuilder.build(source: path, format: .table)
        #expect(try set.lookup("a") == "2")
        #expect(try set.lookup("b") == "3")
        try Files.unlink(path + ".lmdb")
        #expect(try set.lookup("a") == "2", "an open table goes on when its file is gone")
    }

    @Test func largeTablesGrow() throws {
        let text = (0..<30_000).map { "user\($0)@example.org\t\(String(repeating: "x", count: 60))\($0)\n" }.joined()
        let path = try directory.write(text, to: "large")
        #expect(try TableBuilder.build(source: path, format: .table).count == 30_000)
        let set = TableSet(specifications: ["lmdb:\(path)"])
        for index in stride(from: 0, to: 30_000, by: 997) {
            #expect(try set.lookup("user\(index)@example.org")?.hasSuffix("x\(index)") == true)
        }
    }

    @Test func sourceErrorsAreAllReportedAndNothingIsBuilt() throws {
        let path = try directory.write(
            "a 1\nlonely\nb 2\n" + String(repeating: "k", count: 600) + " 1\n", to: "t")
        var lines: [Int] = []
        do { _ = try TableBuilder.build(source: path, format: .table) } catch { lines = error.problems.map(\.line) }
        #expect(lines == [2, 4])
        #expect(try Files.directoryEntries(directory.path) == ["t"])
    }

    @Test func aliases() throws {
        let path = try directory.write(
            """
            # aliases
            Postmaster: root
            "two words": a, b
            list: :include:/etc/list,
               "|/usr/bin/prog arg"
            postmaster: twice
            """, to: "aliases")
        let report = try TableBuilder.build(source: path, format: .aliases)
        #expect(report.warnings.map(\.description) == ["\(path):6: \"postmaster\" is already in line 2; this entry is left out"])
        let set = TableSet(specifications: ["hash:\(path)"])
        #expect(try set.lookup("postmaster") == "root")
        #expect(try set.lookup("two words") == "a, b")
        #expect(try set.lookup("LIST") == ":include:/etc/list,   \"|/usr/bin/prog arg\"")
    }

    @Test func aliasErrors() {
        let source = TableSource(Array("no colon\n: x\na@b: c\nempty:\n".utf8), format: .aliases)
        #expect(source.errors.map(\.line) == [1, 2, 3, 4] && source.entries == [])
    }

    // cdb

    @Test func aConstantDatabaseIsBuiltAndAsked() throws {
        let text = (0..<5000).map { "User\($0)@example.org  value \($0)\n" }.joined() + String(repeating: "k", count: 600) + " long\n"
        let path = try directory.write(text, to: "virtual")
        let report = try TableBuilder.build(source: path, format: .table, type: .cdb)
        #expect(report.count == 5001 && report.path == path + ".cdb")
        let set = TableSet(specifications: ["cdb:\(path)"])
        #expect(set.problems() == [])
        for index in stride(from: 0, to: 5000, by: 97) { #expect(try set.lookup("USER\(index)@example.org") == "value \(index)") }
        #expect(try set.lookup("user5000@example.org") == nil)
        #expect(try set.lookup(String(repeating: "K", count: 600)) == "long")
        #expect(try set.lookup("") == nil)
        #expect(try Files.status(of: report.path).mode & 0o777 == 0o640)
        #expect(try Files.directoryEntries(directory.path).sorted() == ["virtual", "virtual.cdb"])
        try directory.write("user1@example.org new\n", to: "virtual")
        _ = try TableBuilder.build(source: path, format: .table, type: .cdb)
        #expect(try set.lookup("user1@example.org") == "new", "a rebuilt table is seen")
        #expect(try set.lookup("user2@example.org") == nil)
        try Files.unlink(path + ".cdb")
        #expect(try set.lookup("user1@example.org") == "new", "an open table goes on when its file is gone")
    }

    @Test func aDamagedConstantDatabaseFails() throws {
        #expect(throws: LookupError.self) { try TableSet(specifications: ["cdb:\(directory.path)/absent"]).lookup("x") }
        try directory.write("too short", to: "short.cdb")
        #expect(throws: LookupError.self) { try TableSet(specifications: ["cdb:\(directory.path)/short"]).lookup("x") }
        let path = try directory.write((0..<500).map { "key\($0) \(String(repeating: "v", count: 50))\n" }.joined(), to: "cut")
        let report = try TableBuilder.build(source: path, format: .table, type: .cdb)
        let whole = try Files.contents(of: report.path)
        let cut = try FileDescriptor.open(report.path, [.writeOnly, .truncate])
        try cut.writeAll(whole.prefix(whole.count / 2))
        let set = TableSet(specifications: ["cdb:\(path)"])
        // Its tables lie behind the data, so that no key can be told to be absent.
        for index in 0..<500 { #expect(throws: LookupError.self) { try set.lookup("key\(index)") } }
    }
}

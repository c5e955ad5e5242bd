import ArgumentParser
import MailModel
import Testing

@testable import Administration

@Suite struct JSONTextTests {
    @Test func quotes() {
        let value = JSONText.object([
            ("a\"b", .text("x\\y\n\u{1}\u{7F}é")), ("n", .number(-3)), ("l", .list([.flag(true), .null])),
        ])
        #expect(value.encoded == "{\"a\\\"b\": \"x\\\\y\\n\\u0001\\u007fé\", \"n\": -3, \"l\": [true, null]}")
    }
}

@Suite struct CommandLineTests {
    @Test(arguments: [
        ["start", "--foreground"], ["stop", "-c", "/x"], ["status", "--json"], ["check"], ["flush"], ["flush", "--site", "example.org"],
        ["queue"], ["queue", "list", "--json"], ["queue", "hold", "ALL"], ["queue", "show", "4abcDEF12z", "--envelope"], ["config", "-d"],
        ["config", "-n", "-x", "myhostname"], ["config", "-e", "relayhost=[x]"], ["config", "-h", "mydomain"],
        ["map", "build", "--aliases"],
        ["map", "query", "key", "static:x"], ["map", "build", "hash:/etc/x"],
    ])
    func isUnderstood(_ words: [String]) throws { _ = try MartletCommand.parseAsRoot(words) }

    @Test(arguments: [
        ["restart"], ["map", "build"], ["config", "-e"], ["config", "-d", "-n"], ["flush", "--site", "x", "4abcDEF12z"], ["queue", "hold"],
        ["queue", "show", "4abcDEF12z", "--content", "--json"],
    ])
    func isRefusedAsUsage(_ words: [String]) {
        do {
            _ = try MartletCommand.parseAsRoot(words)
            Issue.record("\(words) was understood")
        } catch {
            #expect(MartletCommand.exitCode(for: error).rawValue == 64)
        }
    }

    @Test func queueIDsMayCarryTheMarksOfMailq() throws {
        let id = QueueID(microseconds: 1_700_000_000_000_000, unique: 77)
        #expect(try MessageSelection.id(id.text + "*") == id)
        #expect(try MessageSelection.id(id.text + "!") == id)
        #expect(throws: (any Error).self) { try MessageSelection.id("../x") }
    }
}

// Deliveries into Maildirs that become durable together, and what is told of them.

import MailModel
import SystemKit
import Testing

@testable import LocalDelivery

@Suite struct MaildirBatchTests {
    private func entry(_ directory: String, _ name: String, user: UInt32 = Privileges.realUser) throws -> MaildirBatch.Entry {
        let file = try FileDescriptor.open("\(directory)/tmp/\(name)", [.writeOnly, .create, .exclusive])
        try file.writeAll(Array(name.utf8))
        let record = UserRecord(name: "", uid: user, gid: Privileges.realGroup, home: "/", shell: "", gecos: "")
        return MaildirBatch.Entry(
            identity: DeliveryIdentity(record, supplementary: []), descriptor: file.release(), temporary: "\(directory)/tmp/\(name)",
            final: "\(directory)/new/\(name)", directory: "\(directory)/new")
    }

    private func maildir(_ name: String, in test: TestSurroundings) throws -> String {
        for part in ["", "/tmp", "/new"] { try Files.makeDirectory("\(test.directory)/\(name)\(part)", mode: 0o700) }
        return "\(test.directory)/\(name)"
    }

    @Test func manyMessagesGetTheirNames() throws {
        let test = try TestSurroundings()
        let (one, two) = (try maildir("one", in: test), try maildir("two", in: test))
        let batch = MaildirBatch()
        let tokens = try (0..<40).map { batch.add(try entry($0 % 2 == 0 ? one : two, "m\($0)")) }
        // Not before the commit.
        #expect(try Files.directoryEntries("\(one)/new").isEmpty)
        batch.commit()
        #expect(tokens.allSatisfy { batch.takeFailure(of: $0) == nil })
        #expect(try Files.directoryEntries("\(one)/new").count == 20 && Files.directoryEntries("\(two)/new").count == 20)
        #expect(try Files.directoryEntries("\(one)/tmp").isEmpty)
    }

    @Test func whatFailsFailsAlone() throws {
        let test = try TestSurroundings()
        let (good, bad) = (try maildir("good", in: test), try maildir("bad", in: test))
        let batch = MaildirBatch()
        let delivered = batch.add(try entry(good, "a"))
        let failed = batch.add(try entry(bad, "b"))
        try Files.removeDirectory("\(bad)/new")
        batch.commit()
        #expect(batch.takeFailure(of: delivered) == nil)
        #expect(batch.takeFailure(of: failed)?.isNotFound == true)
        #expect(try Files.directoryEntries("\(bad)/tmp").isEmpty, "nothing is left of it")
        #expect(try Files.directoryEntries("\(good)/new") == ["a"])
    }

    @Test func tokensOutliveACommitInBetween() throws {
        let test = try TestSurroundings()
        let (good, bad) = (try maildir("good", in: test), try maildir("bad", in: test))
        let batch = MaildirBatch()
        let failed = batch.add(try entry(bad, "b"))
        try Files.removeDirectory("\(bad)/new")
        batch.commit()
        let later = batch.add(try entry(good, "a"))
        batch.commit()
        #expect(batch.takeFailure(of: failed) != nil && batch.takeFailure(of: later) == nil)
    }

    @Test func aFailedCommitDefersTheWholeMessage() throws {
        let test = try TestSurroundings()
        test.users = ["bob", "eve"]
        test.aliases["bob"] = "\(test.directory)/files/Maildir/"
        test.aliases["eve"] = "\(test.directory)/files/other/"
        test.beforeCommit = { [directory = test.directory] in try Files.removeDirectory("\(directory)/files/other/new") }
        let outcomes = try test.deliver("bob", "eve")
        #expect(outcomes.map(\.action) == [.deferred, .deferred])
        #expect(test.log.filter { $0.contains("status=sent") }.isEmpty)
        #expect(test.log.filter { $0.contains("status=deferred (maildir delivery failed") }.count == 2)
    }

    @Test func onlyWhatMayTakeLongIsAnnounced() throws {
        let test = try TestSurroundings()
        test.aliases["bob"] = "\(test.directory)/files/Maildir/"
        _ = try test.deliver("bob")
        #expect(test.longWork == 0)
        test.aliases["eve"] = "\(test.directory)/files/mbox"
        _ = try test.deliver("eve")
        #expect(test.longWork == 1)
        test.aliases["list"] = "someone@elsewhere"
        _ = try test.deliver("list")
        #expect(test.longWork == 2)
    }

    @Test func nobodyWantsWhatGoesToTheNullDevice() throws {
        let test = try TestSurroundings()
        test.aliases["devnull"] = "/dev/null"
        let outcome = try #require(try test.deliver("devnull").first)
        #expect(outcome.action == .delivered && outcome.reason == "delivered to file: /dev/null")
    }
}

// Lock files of mailboxes: whose death holds up a mailbox, and whose does not.

import MailModel
import SystemKit
import Testing

@testable import LocalDelivery

@Suite struct MailboxLockTests {
    /// The id of a process that was there and is gone.
    private static func deadProcess() throws -> Int32 {
        let pid = try ProcessSpawn.spawn(path: "/bin/true", arguments: ["true"], environment: nil, descriptors: [])
        _ = try ProcessSpawn.wait(for: pid)
        return pid
    }

    /// Tries to take the locks of a mailbox; how often it had to wait, or nil where it was not to be had.
    private static func take(_ surroundings: TestSurroundings, now: Int64 = SystemClock.now()) throws -> Int? {
        var pauses = 0
        let path = "\(surroundings.directory)/files/box"
        let file = try FileDescriptor.open(path, [.readWrite, .create])
        surroundings.settings.lockAttempts = 3
        do throws(SystemError) {
            let lock = try MailboxLock.take(
                file, path: path, settings: surroundings.settings, mayLackLockFile: false, now: { now }, pause: { _ in pauses += 1 })
            #expect(lock == path + ".lock")
            if let lock { MailboxLock.release(lock) }
        } catch {
            #expect(error == MailboxLock.busy(path))
            return nil
        }
        #expect(try !Files.exists(path + ".lock"))
        #expect(try Files.directoryEntries("\(surroundings.directory)/files") == ["box"])
        return pauses
    }

    @Test func aLockOfADeadProcessOfThisHostIsRemovedAtOnce() throws {
        let surroundings = try TestSurroundings()
        try surroundings.write("files/box.lock", MailboxLock.signature(pid: try Self.deadProcess()))
        #expect(try Self.take(surroundings) == 0)
    }

    @Test func aLockOfAnEarlierStartOfThisHostIsRemovedAtOnce() throws {
        let surroundings = try TestSurroundings()
        // The number belongs to another process by now.
        try surroundings.write("files/box.lock", MailboxLock.signature(boot: "6f0c2a4e-0000-0000-0000-000000000000"))
        #expect(try Self.take(surroundings) == 0)
    }

    @Test(arguments: ["", "1\n", "4000000\n", "4000000 otherhost 6f0c\n", "4000000 otherhost"])
    func aLockThatIsNotOursStaysUntilItIsStale(text: String) throws {
        let surroundings = try TestSurroundings()
        try surroundings.write("files/box.lock", text)
        #expect(try Self.take(surroundings) == nil)
        #expect(try surroundings.read("files/box.lock") == text)
        let later = SystemClock.now() + Int64(surroundings.settings.staleLockTime + 1) * 1_000_000
        #expect(try Self.take(surroundings, now: later) == 0)
    }

    @Test func aLockOfALivingProcessStays() throws {
        let surroundings = try TestSurroundings()
        try surroundings.write("files/box.lock", MailboxLock.signature())
        #expect(try Self.take(surroundings) == nil)
    }

    @Test func whatAnEarlierProcessOfOurNumberLeftIsNoHindrance() throws {
        let surroundings = try TestSurroundings()
        try surroundings.write("files/box.lock.\(ProcessSpawn.currentProcessID)", "")
        #expect(try Self.take(surroundings) == 0)
    }
}

import MailIPC
import MailModel
import SystemKit
import Testing

@testable import Master

/// A broker whose child is the test, with one service behind it.
private final class Fixture {
    let root: String
    let child: FileDescriptor
    let broker: ConnectionBroker
    private let listener: FileDescriptor

    init() throws {
        let base = ProcessSpawn.environmentVariable("TMPDIR") ?? "/tmp"
        root = "\(base)/broker-\(ProcessSpawn.currentProcessID)-\(UInt32.random(in: 0...UInt32.max))"
        try Files.makeDirectory(root, mode: 0o755)
        listener = try Sockets.listenUnix(path: root + "/resolver", backlog: 4)
        try listener.setNonBlocking(true)
        let ends = try Sockets.socketPair(type: .seqpacket).release()
        child = FileDescriptor(owning: ends.first)
        let ours = FileDescriptor(owning: ends.second)
        try ours.setNonBlocking(true)
        try child.setNonBlocking(true)
        broker = ConnectionBroker(socket: ours, connections: [.resolver: root + "/resolver"])
    }

    deinit {
        for name in (try? Files.directoryEntries(root)) ?? [] { try? Files.unlink("\(root)/\(name)") }
        try? Files.removeDirectory(root)
    }

    func ask(_ number: UInt32, _ service: BrokeredService = .resolver) throws {
        _ = try Sockets.send(BrokerRequest(number: number, service: service).encoded, over: child.rawValue)
    }

    func answer() throws -> (answer: BrokerAnswer, descriptors: [Int32]) {
        let received = try Sockets.receiveDescriptors(over: child.rawValue, limit: 64)
        return (try BrokerAnswer(decoding: received.bytes[...]), received.descriptors)
    }

    func isAccepted() throws -> Bool { try Sockets.accept(listener.rawValue) != nil }

    /// Puts a socket of a stranger's in the place of the service's; nil where the stranger could not be started.
    func replaceSocket(by stranger: String) throws {
        try Files.unlink(root + "/resolver")
        try Files.symbolicLink(stranger, at: root + "/resolver")
    }
}

@Suite struct ConnectionBrokerTests {
    @Test func aConnectionIsPassed() throws {
        let fixture = try Fixture()
        try fixture.ask(7)
        #expect(fixture.broker.serve(now: 0) == nil)
        let (answer, descriptors) = try fixture.answer()
        #expect(answer == BrokerAnswer(number: 7, errno: 0))
        #expect(descriptors.count == 1)
        #expect(try fixture.isAccepted())
        for descriptor in descriptors { _ = FileDescriptor(owning: descriptor) }
    }

    @Test func aServiceThatIsNotThereIsAnErrorAndNotTheEnd() throws {
        let fixture = try Fixture()
        try Files.unlink(fixture.root + "/resolver")
        try fixture.ask(1)
        #expect(fixture.broker.serve(now: 0) == nil)
        let (answer, descriptors) = try fixture.answer()
        #expect(answer == BrokerAnswer(number: 1, errno: 2))
        #expect(descriptors.isEmpty)
        // It works again when the service is there again.
        let again = try Sockets.listenUnix(path: fixture.root + "/resolver")
        try fixture.ask(2)
        #expect(fixture.broker.serve(now: 0) == nil)
        #expect(try fixture.answer().answer.errno == 0)
        _ = consume again
    }

    /// The owner of the directory may put another socket there: here a link to one that was bound under another name.
    @Test func onlyListenersOfMasterUnderTheirOwnNamesAreReached() throws {
        let fixture = try Fixture()
        let other = try Sockets.listenUnix(path: fixture.root + "/other")
        try other.setNonBlocking(true)
        try fixture.replaceSocket(by: fixture.root + "/other")
        try fixture.ask(3)
        #expect(fixture.broker.serve(now: 0) == nil)
        let (answer, descriptors) = try fixture.answer()
        #expect(answer == BrokerAnswer(number: 3, errno: 13))
        #expect(descriptors.isEmpty)
    }

    @Test(
        arguments: [
            ("too short", [1, 2, 3, 4]), ("too long", [1, 0, 0, 0, 0x52, 0]), ("very long", [UInt8](repeating: 0x52, count: 4000)),
            ("an unknown letter", [1, 0, 0, 0, 0x4C]), ("a name", Array("local".utf8)),
            ("a service of another program", [1, 0, 0, 0, 0x43]),
        ] as [(String, [UInt8])])
    func whateverElseIsSaidIsTheEnd(what: String, bytes: [UInt8]) throws {
        let fixture = try Fixture()
        _ = try Sockets.send(bytes, over: fixture.child.rawValue)
        try fixture.ask(1)
        guard case .violation = fixture.broker.serve(now: 0) else {
            Issue.record("\(what) was taken")
            return
        }
        #expect(try !fixture.isAccepted())
        #expect(throws: SystemError.self) { try fixture.answer() }
    }

    @Test func descriptorsThatComeAlongAreDropped() throws {
        let fixture = try Fixture()
        let pipe = try FileDescriptor.pipe()
        try Sockets.sendDescriptors(
            [pipe.write.rawValue], with: BrokerRequest(number: 1, service: .resolver).encoded, over: fixture.child.rawValue)
        let ends = pipe.release()
        _ = FileDescriptor(owning: ends.write)
        let reader = FileDescriptor(owning: ends.read)
        #expect(fixture.broker.serve(now: 0) == nil)
        // End of file: nobody has the writing end any more.
        #expect(try reader.read(upTo: 1).isEmpty)
    }

    @Test func aFloodIsReadSlowly() throws {
        let fixture = try Fixture()
        try Files.unlink(fixture.root + "/resolver")
        var now: Int64 = 0
        var answered = 0
        func ask(_ count: Int) throws -> Int {
            for number in 0..<count { try fixture.ask(UInt32(number)) }
            #expect(fixture.broker.serve(now: now) == nil)
            var got = 0
            while (try? fixture.answer()) != nil { got += 1 }
            return got
        }
        answered = try ask(100)
        #expect(answered == ConnectionBroker.allowance)
        let until = try #require(fixture.broker.pausedUntil(now: now))
        #expect(until > now && until <= ConnectionBroker.refill)
        now = until
        #expect(try ask(0) == 1)
        now += 10 * ConnectionBroker.refill
        #expect(try ask(0) == 10)
        now += 1000 * ConnectionBroker.refill
        #expect(try ask(0) == 25)
        #expect(fixture.broker.pausedUntil(now: now) == nil)
    }

    @Test func aChildThatDoesNotTakeItsAnswersIsHeardNoMore() throws {
        let fixture = try Fixture()
        var now: Int64 = 0
        var end: ConnectionBroker.End?
        for number in 0..<100_000 where end == nil {
            try fixture.ask(UInt32(number))
            now += ConnectionBroker.refill
            end = fixture.broker.serve(now: now)
        }
        #expect(end == .violation("it does not take its answers"))
    }

    @Test func aChildThatIsGoneIsNoViolation() throws {
        let ends = try Sockets.socketPair(type: .seqpacket).release()
        let broker = ConnectionBroker(socket: FileDescriptor(owning: ends.first), connections: [:])
        _ = FileDescriptor(owning: ends.second)
        #expect(broker.serve(now: 0) == .closed)
    }
}

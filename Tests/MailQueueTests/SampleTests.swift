// A kept sample of each form that stands in the queue, of every version there has been: what an earlier version wrote is read, and the
// present version still writes byte for byte what its sample says. A change of form without a new version number fails here.
//
// To add the samples of a new version: raise the number, then run `MARTLET_WRITE_SAMPLES=Tests/MailQueueTests/Samples swift test
// --filter SampleTests` once, and commit the new files beside the old ones. Existing files are never overwritten.

import MailIPC
import MailModel
import SystemKit
import Testing

@testable import MailQueue

@Suite struct SampleTests {
    static let directory = #filePath.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/Samples"

    /// As version 1 knew it.
    static let envelope1 = Envelope(
        sender: MailAddress("phil@sender.test"),
        recipients: [
            EnvelopeRecipient(
                MailAddress("anna@receiver.test"), originalRecipient: Array("rfc822;anna@receiver.test".utf8), notify: [.success, .failure]),
            EnvelopeRecipient(MailAddress("matt@receiver.test"), originalAddress: MailAddress("alias@receiver.test")),
            EnvelopeRecipient(MailAddress("nobody@receiver.test"), notify: .never),
        ],
        origin: .remoteSMTP, arrival: 1_700_000_000_123_456,
        client: ClientFacts(
            protocolName: "ESMTPS", helo: "client.test", name: "client.test", address: "192.0.2.1", port: 4711, tls: "TLSv1.3",
            login: "phil"),
        envelopeID: Array("QQ314159".utf8), returnContent: .headers, body: .eightBitMIME, isSMTPUTF8: true, userID: 1000,
        fullName: Array("Phil".utf8), isHeld: false)
    static let controlGroup = "/system.slice/backup.service"
    static let envelope: Envelope = {
        var envelope = envelope1
        envelope.controlGroup = controlGroup
        return envelope
    }()
    static let content = Array("Subject: sample\r\n\r\n.a line with a dot, and Gr\u{FC}\u{DF}e\r\n\u{0}\r\n".utf8)
    static let id = QueueID(microseconds: 1_700_000_000_123_456, unique: 7)

    /// The queue file of the present version: one recipient to do, one done, one failed, and its sender told of the delay.
    static func queueFile() throws -> [UInt8] {
        let scratch = try ScratchDirectory()
        let writer = QueueFileWriter(in: scratch.path, envelope: envelope, now: 1_700_000_000_123_456, unique: 7)
        try writer.append(content)
        var file = try writer.finish(contentFacts: [.eightBitBody, .longLines])
        try file.makeFile()
        file.close()
        let offsets = try QueueFileReader(path: file.path).stateOffsets
        try QueueFileMark.setState(.done, at: offsets[1], path: file.path)
        try QueueFileMark.setState(.bounced, at: offsets[2], path: file.path)
        try QueueFileMark.setDelayNoticeSent(path: file.path)
        return try Files.contents(of: file.path)
    }

    static func submission() -> [UInt8] {
        var local = envelope
        local.origin = .localSubmission
        local.client = ClientFacts()
        for index in local.recipients.indices { local.recipients[index].originalAddress = nil }
        var encoder = MaildropFileEncoder()
        return encoder.begin(local) + encoder.content(content) + encoder.end()
    }

    /// With one message that is to be recovered, and one that is settled.
    static func commitLog() throws -> [UInt8] {
        let queue = try CommitLogFixture()
        let files = [try queue.write(), try queue.write()]
        let places = try queue.leaveLog(with: files)
        var marks = CommitLogMarks(directories: queue.directories)
        try marks.note(files[1].id, at: places[1])
        try marks.settle(files[1].id)
        return try Files.contents(of: "\(queue.directories.commit)/log.0")
    }

    static let records: [BounceRecord] = envelope.recipients.enumerated().map { index, recipient in
        let outcome = RecipientOutcome(.bounced, EnhancedStatusCode(5, 1, 1), "unknown user \(index)")
        return BounceRecord(log: .bounce, queueID: id, recipient: recipient, outcome: outcome, time: 1_700_000_000_000_000 + Int64(index))
    }

    /// The present form of each sample, by its file name.
    static func present() throws -> [(name: String, bytes: [UInt8])] {
        [
            ("queue-file-\(QueueFormat.current)", try queueFile()), ("submission-\(QueueFormat.current)", submission()),
            ("bounce-log-\(QueueFormat.current)", records.flatMap(BounceLogFile.line)),
            ("commit-log-\(QueueFormat.current)", try commitLog()),
        ]
    }

    @Test func thePresentVersionWritesWhatItsSamplesSay() throws {
        if let target = ProcessSpawn.environmentVariable("MARTLET_WRITE_SAMPLES") {
            for sample in try Self.present() where try !Files.exists("\(target)/\(sample.name)") {
                let file = try FileDescriptor.open("\(target)/\(sample.name)", [.writeOnly, .create, .exclusive], mode: 0o644)
                try file.writeAll(sample.bytes)
            }
        }
        for sample in try Self.present() {
            #expect(
                try Files.contents(of: "\(Self.directory)/\(sample.name)") == sample.bytes,
                "\(sample.name) has changed without a new version")
        }
    }

    @Test(arguments: QueueFormat.oldest...QueueFormat.current) func queueFilesOfEveryVersionAreRead(version: Int) throws {
        let reader = try QueueFileReader(path: "\(Self.directory)/queue-file-\(version)")
        #expect(reader.envelope == (version == 1 ? Self.envelope1 : Self.envelope))
        #expect(reader.states == [.todo, .done, .bounced])
        #expect(reader.header.delayNoticeSent)
        #expect(reader.header.contentFacts == [.eightBitBody, .longLines])
        #expect(try reader.content(at: 0, upTo: 1 << 20) == Self.content)
        #expect(try reader.verifyContent())
    }

    @Test(arguments: QueueFormat.oldest...QueueFormat.current) func submissionsOfEveryVersionAreRead(version: Int) throws {
        var decoder = MaildropFileDecoder(maximumContent: 1 << 20)
        decoder.append(try Files.contents(of: "\(Self.directory)/submission-\(version)"))
        guard case .envelope(let envelope) = try decoder.next() else {
            Issue.record("no envelope")
            return
        }
        #expect(envelope.sender == Self.envelope.sender && envelope.recipients.map(\.address) == Self.envelope.recipients.map(\.address))
        #expect(envelope.controlGroup == (version == 1 ? "" : Self.controlGroup) && envelope.fullName == Self.envelope.fullName)
        #expect(try decoder.next() == .content(Self.content))
        #expect(try decoder.next() == .end)
    }

    @Test(arguments: QueueFormat.oldest...QueueFormat.current) func logsOfEveryVersionAreRead(version: Int) throws {
        let contents = BounceLogFile.parse(try Files.contents(of: "\(Self.directory)/bounce-log-\(version)"))
        #expect(contents.records == Self.records)
        #expect(contents.damagedLines == 0)
    }

    @Test(arguments: 3...QueueFormat.current) func commitLogsOfEveryVersionAreRecovered(version: Int) throws {
        let queue = try CommitLogFixture()
        let log = try FileDescriptor.open("\(queue.directories.commit)/log.0", [.writeOnly, .create, .exclusive])
        try log.writeAll(try Files.contents(of: "\(Self.directory)/commit-log-\(version)"))
        let recovered = try queue.recover()
        #expect(recovered.count == 1)
        for id in recovered { #expect(try QueueFileReader(path: queue.directories.path(.incoming, id)).verifyContent()) }
    }

    /// A version that is not known, with everything else right: refused as such, not taken for garbage, and not changed.
    @Test(arguments: [0, 3, 255, 65535] as [UInt16]) func anotherVersionIsNamed(version: UInt16) throws {
        let scratch = try ScratchDirectory()
        let path = "\(scratch.path)/\(Self.id.text)"
        var bytes = try Files.contents(of: "\(Self.directory)/queue-file-1")
        bytes.replaceSubrange(8..<10, with: [UInt8(version & 0xFF), UInt8(version >> 8)])
        try FileDescriptor.open(path, [.writeOnly, .create]).writeAll(bytes)
        #expect(throws: QueueFileError.unknownVersion(version)) { _ = try QueueFileReader(path: path) }
        #expect(try Files.contents(of: path) == bytes)
    }
}

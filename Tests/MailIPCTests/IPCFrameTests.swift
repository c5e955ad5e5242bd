// Frames survive any cut of the byte stream; hostile lengths end the connection; messages survive their encoding, and garbage is refused.

import MailIPC
import MailModel
import Testing

@Suite struct IPCFrameTests {
    @Test(arguments: [1, 2, 3, 7, 64, 8_200, 10_000, 70_018, 70_030, 200_000])
    func framesSurviveAnyCut(size: Int) throws {
        let frames = [
            IPCFrame(stream: 1, type: 16, payload: []),
            IPCFrame(stream: 2, type: 17, payload: Array("hello".utf8)),
            IPCFrame(stream: 0xFFFF_FFFF, type: 255, payload: [UInt8](repeating: 9, count: 70_000)),
            IPCFrame(stream: 3, type: 18, payload: [0]),
            IPCFrame(stream: 4, type: 19, payload: (0..<65_536).map { UInt8(truncatingIfNeeded: $0 / 251) }),
            IPCFrame(stream: 4, type: 19, payload: (0..<65_536).map { UInt8(truncatingIfNeeded: $0 / 241) }),
            IPCFrame(stream: 4, type: 20, payload: []),
        ]
        let wire = frames.flatMap(\.wire)
        var decoder = IPCFrameDecoder()
        var decoded: [IPCFrame] = []
        var rest = wire[...]
        while !rest.isEmpty {
            decoder.append(rest.prefix(size))
            rest = rest.dropFirst(size)
            while let frame = try decoder.next() { decoded.append(frame) }
        }
        #expect(decoded == frames)
    }

    @Test func hostileLengthIsRefusedBeforeMemoryIsTaken() {
        var decoder = IPCFrameDecoder()
        decoder.append([0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0, 16])
        #expect(throws: ByteDecodingError.self) { try decoder.next() }
    }

    @Test func aReasonIsFitForALogLine() {
        var encoder = ByteEncoder()
        encoder.put("write defer/4x:\u{1B} No space left")
        #expect(IPCFrame(stream: 1, type: 21, payload: encoder.bytes).reason == "write defer/4x:? No space left")
        #expect(IPCFrame(stream: 1, type: 21, payload: [200, 1]).reason == "no reason was given")
    }

    /// Every prefix and every single-byte change of an encoded request either decodes or throws; none traps.
    @Test func garbageNeverTraps() throws {
        let request = DeliveryRequest(
            queueID: QueueID(microseconds: 5, unique: 6), transport: "smtp", nextHop: "receiver.test",
            envelope: Envelope(
                sender: MailAddress("a@b"), recipients: [EnvelopeRecipient(MailAddress("c@d"), originalAddress: MailAddress("e@f"))],
                origin: .localSMTP, arrival: 1),
            contentFacts: [], contentOffset: 64, contentLength: 5, activated: 2)
        let bytes = request.encoded
        #expect(try DeliveryRequest(decoding: bytes[...]) == request)
        for length in 0..<bytes.count { #expect(throws: ByteDecodingError.self) { try DeliveryRequest(decoding: bytes[..<length]) } }
        for index in bytes.indices {
            for flip in [UInt8(0x01), 0x80, 0xFF] {
                var changed = bytes
                changed[index] ^= flip
                // Either outcome is right; the point is that it returns.
                _ = try? DeliveryRequest(decoding: changed[...])
            }
        }
    }

    @Test func messagesSurviveTheirEncoding() throws {
        let id = QueueID(microseconds: 1_700_000_000_000_000, unique: 99)
        let outcome = RecipientOutcome(
            .bounced, EnhancedStatusCode(5, 1, 1), "host x said: 550 no", remoteMTA: "x", diagnostic: "550 no", relay: "x[1.2.3.4]:25")
        let recipient = EnvelopeRecipient(MailAddress("a@b"), notify: [.never])
        let record = BounceRecord(log: .defer, queueID: id, recipient: recipient, outcome: outcome, time: 3)
        #expect(try BounceRecord(decoding: record.encoded[...]) == record)
        let reply = DeliveryReply(outcomes: [outcome, outcome], destinationTrouble: outcome)
        #expect(try DeliveryReply(decoding: reply.encoded[...]) == reply)
        for selection in [QueueCommand.Selection.all, .message(id), .site("x.test")] {
            let command = QueueCommand(.hold, selection)
            #expect(try QueueCommand(decoding: command.encoded[...]) == command)
        }
        let entry = QueueEntry(
            queueID: id, place: .deferred, arrival: 1, nextAttempt: 2, size: 3, sender: .null,
            recipients: [.init(address: MailAddress("a@b"), originalAddress: nil, delayReason: "why")])
        #expect(try QueueEntry(decoding: entry.encoded[...]) == entry)
        let refused = SMTPReply(452, EnhancedStatusCode(4, 3, 1), "Insufficient system storage")
        #expect(
            try SubmitReply(frame: IPCFrame(stream: 1, type: CleanupFrame.refused, payload: refused.encoded)) == .refused(refused))
    }
}

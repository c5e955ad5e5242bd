import MailModel
import Testing

@testable import MailQueue

@Suite struct MaildropFileTests {
    private static func envelope(_ change: (inout Envelope) -> Void = { _ in }) -> Envelope {
        var envelope = Envelope(
            sender: MailAddress("bob@x"), recipients: [EnvelopeRecipient(MailAddress("a@y"), notify: .success)], origin: .localSubmission,
            arrival: 17, envelopeID: Array("id".utf8), userID: 1000, fullName: Array("Bob".utf8))
        change(&envelope)
        return envelope
    }

    private static func file(_ envelope: Envelope = envelope(), content: [[UInt8]] = [Array("Subject: x\r\n".utf8), [], [0, 13, 255]])
        -> [UInt8]
    {
        var encoder = MaildropFileEncoder()
        var bytes = encoder.begin(envelope)
        for piece in content { bytes += encoder.content(piece) }
        return bytes + encoder.end()
    }

    /// Reads a file in pieces; returns what it says, or throws.
    private static func read(_ file: [UInt8], pieces: Int = 1000, limit: UInt64 = 1_000_000) throws -> (Envelope?, [UInt8], Bool) {
        var decoder = MaildropFileDecoder(maximumContent: limit)
        var envelope: Envelope?
        var content: [UInt8] = []
        var rest = file[...]
        while !rest.isEmpty {
            decoder.append(Array(rest.prefix(pieces)))
            rest = rest.dropFirst(pieces)
            while let event = try decoder.next() {
                switch event {
                case .envelope(let found): envelope = found
                case .content(let bytes): content += bytes
                case .verp, .question, .end: break
                }
            }
        }
        return (envelope, content, decoder.isComplete)
    }

    @Test(arguments: [1, 3, 64, 100_000]) func roundTrip(_ pieces: Int) throws {
        let (envelope, content, isComplete) = try Self.read(Self.file(), pieces: pieces)
        #expect(envelope == Self.envelope())
        #expect(content == Array("Subject: x\r\n".utf8) + [0, 13, 255])
        #expect(isComplete)
    }

    @Test func largeContentIsCut() throws {
        let large = [UInt8](repeating: 65, count: 200_000)
        #expect(try Self.read(Self.file(content: [large])).1 == large)
    }

    /// No prefix of a file is a whole file, and none of them traps.
    @Test func everyPrefixIsIncomplete() throws {
        let file = Self.file()
        for length in 0..<file.count { #expect(try Self.read(Array(file.prefix(length))).2 == false) }
    }

    /// One changed byte anywhere is found.
    @Test func everyDamageIsFound() {
        let file = Self.file()
        for index in file.indices {
            for change in [UInt8(1), 0x80] {
                var damaged = file
                damaged[index] ^= change
                let result = try? Self.read(damaged)
                #expect(result == nil || result?.2 == false, "byte \(index)")
            }
        }
    }

    @Test func variableReturnPaths() throws {
        func events(_ delimiters: [UInt8]) throws -> [MaildropFileDecoder.Event] {
            var encoder = MaildropFileEncoder()
            var file = encoder.begin(Self.envelope())
            if let verp = VERPDelimiters(delimiters) { file += encoder.verp(verp) }
            file += encoder.content([1]) + encoder.end()
            var decoder = MaildropFileDecoder(maximumContent: 10)
            decoder.append(file)
            var events: [MaildropFileDecoder.Event] = []
            while let event = try decoder.next() { events.append(event) }
            #expect(decoder.isComplete)
            return Array(events.dropFirst())
        }
        #expect(try events(Array("+=".utf8)) == [.verp(try #require(VERPDelimiters("+=".utf8))), .content([1]), .end])
        #expect(try events([]) == [.content([1]), .end])
        // A record made by hand.
        var encoder = MaildropFileEncoder()
        let head = encoder.begin(Self.envelope())
        for bad in ["+", "+=-", "+@", "a=", "+\n"] {
            var decoder = MaildropFileDecoder(maximumContent: 10)
            decoder.append(head + [UInt8(ascii: "V"), UInt8(bad.utf8.count), 0, 0, 0] + Array(bad.utf8))
            _ = try decoder.next()
            #expect(throws: MaildropFileError.self) { try decoder.next() }
        }
    }

    @Test func bytesBehindTheEnd() { #expect(throws: MaildropFileError.self) { try Self.read(Self.file() + [0]) } }

    @Test func tooLarge() {
        #expect { try Self.read(Self.file(), limit: 14) } throws: { ($0 as? MaildropFileError)?.isTooBig == true }
    }

    static let hostile: [(String, @Sendable (inout Envelope) -> Void)] = [
        ("line break in the sender", { $0.sender = MailAddress("bob\n@x") }),
        ("NUL in a recipient", { $0.recipients[0].address = MailAddress("a\0@y") }),
        ("CR in ORCPT", { $0.recipients[0].originalRecipient = Array("rfc822;a\r@y".utf8) }),
        ("line break in the full name", { $0.fullName = Array("Bob\nBcc: x".utf8) }),
        ("line break in the envelope id", { $0.envelopeID = [10] }),
        ("no recipients", { $0.recipients = [] }),
        ("null recipient", { $0.recipients[0].address = .null }),
        ("origin of a notification", { $0.origin = .notification }),
        ("client facts", { $0.client.login = "admin" }),
        ("an original address", { $0.recipients[0].originalAddress = MailAddress("z@z") }),
        ("unknown notify bits", { $0.recipients[0].notify = DSNNotify(rawValue: 255) }),
        ("an endless address", { $0.sender = MailAddress(String(repeating: "a", count: 3000)) }),
    ]

    @Test(arguments: hostile.indices) func hostileEnvelopes(_ index: Int) {
        let envelope = Self.envelope(Self.hostile[index].1)
        #expect(MaildropFile.objection(to: envelope) != nil, Comment(rawValue: Self.hostile[index].0))
        #expect(throws: MaildropFileError.self) { try Self.read(Self.file(envelope)) }
    }
}

// A world without sockets for deliveries: hosts with scripts behind addresses, a name server made of a table, a clock that stands still.

import DNSClient
import MailIPC
import MailModel
import NIOCore
import SMTPProtocol
import ServiceKit
import Synchronization
import SystemKit
import TLS

@testable import SMTPClient

/// What a host does.
struct HostScript: Sendable {
    /// nil: the connection is refused.
    var greeting: String? = "220 mx ESMTP"
    /// Replies by verb, taken in order; the last one stays. `.` is the end of data, `BDAT` a chunk.
    var replies: [String: [String]] = [:]
    /// The connection ends instead of an answer to this verb; `MAIL#2`: to the second of them.
    var cutsAt: String?
    var tlsWorks = true

    static let everything = "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 10000\r\n250-8BITMIME\r\n250 DSN"

    init(
        _ replies: [String: [String]] = [:], ehlo: String = HostScript.everything, greeting: String? = "220 mx ESMTP", cutsAt: String? = nil
    ) {
        self.greeting = greeting
        self.cutsAt = cutsAt
        self.replies = [
            "EHLO": [ehlo], "LHLO": [ehlo], "HELO": ["250 mx.example"], "STARTTLS": ["220 2.0.0 go"], "MAIL": ["250 2.1.0 ok"],
            "RCPT": ["250 2.1.5 ok"], "DATA": ["354 go"], "RSET": ["250 2.0.0 ok"], "QUIT": ["221 2.0.0 bye"],
            ".": ["250 2.0.0 Ok: queued as ABC"], "BDAT": ["250 2.0.0 Ok: queued as ABC"],
        ]
        for (verb, list) in replies { self.replies[verb] = list }
    }
}

/// One connection to a scripted host.
@ServiceActor
final class ScriptedPeer: PeerConnection {
    private var script: HostScript
    private let world: ScriptedWorld
    private let address: String
    private var incoming: [UInt8] = []
    private var outgoing: [UInt8]
    private var isInData = false
    private var chunkLeft = 0
    private var content: [UInt8] = []
    private var isCut = false
    private var seen: [String: Int] = [:]
    private var tls = false

    init(_ script: HostScript, _ world: ScriptedWorld, _ address: String) {
        self.script = script
        self.world = world
        self.address = address
        outgoing = Array(((script.greeting ?? "") + "\r\n").utf8)
    }

    func write(_ bytes: [UInt8]) {
        incoming += bytes
        while step() {}
    }

    private func step() -> Bool {
        if isInData {
            let end = Array("\r\n.\r\n".utf8)
            let all = [13, 10] + content + incoming
            guard let range = firstRange(of: end, in: all) else { return false }
            world.messages.append((address, String(decoding: all[2..<(range + 2)], as: UTF8.self)))
            incoming = Array(all[(range + end.count)...])
            content = []
            isInData = false
            answer(".")
            return true
        }
        if chunkLeft > 0 {
            guard incoming.count >= chunkLeft else { return false }
            world.messages.append((address, "BDAT:" + String(decoding: incoming[..<chunkLeft], as: UTF8.self)))
            incoming.removeFirst(chunkLeft)
            chunkLeft = 0
            answer("BDAT")
            return true
        }
        guard let end = incoming.firstIndex(of: 10) else { return false }
        let line = String(decoding: incoming[..<end], as: UTF8.self).filter { $0 != "\r" && $0 != "\r\n" }
        incoming.removeFirst(end + 1)
        world.dialogue.append("\(address)\(tls ? " (TLS)" : ""): \(line)")
        let verb = String(line.prefix { $0 != " " })
        if verb == "BDAT", let size = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) {
            chunkLeft = size
            if size == 0 { answer("BDAT") }
            return true
        }
        answer(verb)
        return true
    }

    private func firstRange(of needle: [UInt8], in bytes: [UInt8]) -> Int? {
        guard bytes.count >= needle.count else { return nil }
        return (0...(bytes.count - needle.count)).first { bytes[$0] == needle[0] && bytes[$0...].starts(with: needle) }
    }

    private func answer(_ verb: String) {
        seen[verb, default: 0] += 1
        if script.cutsAt == verb || script.cutsAt == "\(verb)#\(seen[verb] ?? 0)" { isCut = true }
        guard !isCut, let list = script.replies[verb], let first = list.first else { return }
        if list.count > 1 { script.replies[verb] = Array(list.dropFirst()) }
        if verb == "DATA" && first.hasPrefix("354") { isInData = true }
        outgoing += Array((first + "\r\n").utf8)
    }

    func write(_ bytes: ByteBuffer) { write(Array(bytes.readableBytesView)) }
    var sendsFiles: Bool { world.sendsFiles && !tls }
    func send(file: Int32, from offset: Int, count: Int, patience: TimeAmount) async throws(ConnectionError) {
        world.fileParts.append(offset..<(offset + count))
        if let failure = world.fileFailure { throw failure }
        do throws(SystemError) {
            write(try FileDescriptor.borrowing(file) { file throws(SystemError) in try file.pread(upTo: count, at: Int64(offset)) })
        } catch {
            throw .closed("\(error)")
        }
    }
    func flush(deadline: NIODeadline) async throws(ConnectionError) {}
    func flushNow() {}
    func read(deadline: NIODeadline) async throws(ConnectionError) -> [UInt8]? {
        if outgoing.isEmpty {
            if isCut { return nil }
            throw .timedOut
        }
        let bytes = outgoing
        outgoing = []
        return bytes
    }
    func startTLS(serverName: String, deadline: NIODeadline) async throws(ConnectionError) -> TLSSessionFacts {
        guard script.tlsWorks else { throw .handshakeFailed("no common cipher") }
        tls = true
        return TLSSessionFacts(protocolVersion: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", cipherBits: 256, peerStatus: .untrusted)
    }
    func close() { world.closed.append(address) }
    func abort() { world.closed.append("\(address) aborted") }
}

/// Hosts and what they were told.
@ServiceActor
final class ScriptedWorld: PeerConnector {
    var hosts: [String: [HostScript]] = [:]
    var connections: [String] = []
    var dialogue: [String] = []
    var messages: [(host: String, content: String)] = []
    var closed: [String] = []
    var sendsFiles = true
    /// What hosts took as parts of files, or what becomes of that.
    var fileParts: [Range<Int>] = []
    var fileFailure: ConnectionError?
    var dns = TableOfNames()
    let log = ListLog()
    var parameters: ClientParameters

    init(isLMTP: Bool = false) {
        parameters = ClientParameters(isLMTP: isLMTP)
        parameters.heloName = "sender.example"
        parameters.myhostname = "sender.example"
    }

    /// The scripts of successive connections to an address; the last one stays.
    func host(_ address: String, _ scripts: HostScript...) { hosts[address] = scripts }

    func connect(to endpoint: Endpoint) async throws(ConnectionError) -> any PeerConnection {
        connections.append("\(endpoint.address):\(endpoint.port)")
        guard let list = hosts[endpoint.address], let script = list.first, script.greeting != nil else {
            throw .unreachable("Connection refused")
        }
        if list.count > 1 { hosts[endpoint.address] = Array(list.dropFirst()) }
        return ScriptedPeer(script, self, endpoint.address)
    }

    lazy var agent = DeliveryAgent(
        parameters: parameters, finder: HostFinder(parameters: parameters, lookup: DNSLookup(dns), ownAddresses: ["10.9.9.9"]),
        connector: self,
        log: log, clock: { 1_000_000_000_000_000 })

    /// One attempt for recipients of `example`.
    func deliver(
        _ recipients: [String] = ["r@example"], nextHop: String = "example", content: String = "Subject: x\r\n\r\nhello\r\n",
        facts: ContentFacts = [], body: BodyType = .unspecified, isSMTPUTF8: Bool = false
    ) async -> DeliveryReply {
        let envelope = Envelope(
            sender: MailAddress("s@sender.example"), recipients: recipients.map { EnvelopeRecipient(MailAddress($0)) }, origin: .remoteSMTP,
            arrival: 999_999_998_000_000, body: body, isSMTPUTF8: isSMTPUTF8)
        let request = DeliveryRequest(
            queueID: QueueID(microseconds: 1, unique: 1), transport: "smtp", nextHop: nextHop, envelope: envelope, contentFacts: facts,
            contentOffset: 0, contentLength: UInt64(content.utf8.count), activated: 999_999_999_500_000)
        return await agent.deliver(request, .memory(Array(content.utf8)))
    }
}

/// Log lines in the order written.
final class ListLog: DeliveryLogging {
    private let list = Mutex<[String]>([])
    var lines: [String] { list.withLock { $0 } }
    func info(_ line: String) { list.withLock { $0.append(line) } }
    func warning(_ line: String) { list.withLock { $0.append("warning: " + line) } }
}

/// A name server made of a table: what is not in it does not exist.
struct TableOfNames: DNSQuerying {
    private var answers: [DNSQuestion: DNSAnswer] = [:]

    func query(_ question: DNSQuestion) async throws(DNSQueryError) -> DNSAnswer {
        if let answer = answers[question] { return answer }
        let exists = answers.keys.contains { $0.name == question.name }
        return DNSAnswer(responseCode: exists ? DNSResponseCode.noError : DNSResponseCode.noSuchName)
    }

    private mutating func add(_ name: String, _ type: DNSRecordType, _ answer: DNSAnswer) {
        guard let name = DomainName(name) else { return }
        answers[DNSQuestion(name, type)] = answer
    }

    mutating func mx(_ name: String, _ records: (UInt16, String)...) {
        let data = records.map { record in
            let labels = record.1.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
            return [UInt8(record.0 >> 8), UInt8(record.0 & 255)] + labels + [0]
        }
        add(name, .mx, DNSAnswer(responseCode: DNSResponseCode.noError, data: data))
    }

    mutating func a(_ name: String, _ addresses: String...) {
        let data = addresses.compactMap { IPAddress($0)?.bytes }
        add(name, .a, DNSAnswer(responseCode: DNSResponseCode.noError, data: data))
    }

    mutating func fails(_ name: String) {
        for type in [DNSRecordType.mx, .a, .aaaa] { add(name, type, DNSAnswer(responseCode: DNSResponseCode.serverFailure)) }
    }
}

/// An outcome in one line.
func describe(_ outcome: RecipientOutcome) -> String { "\(outcome.action) \(outcome.status) \(outcome.relay) (\(outcome.reason))" }

// A message, tables in memory and a directory of its own for each test. Everything is delivered with the rights of the test.

import AddressRouting
import LookupTables
import MailModel
import SystemKit
import Testing

@testable import LocalDelivery

final class TestSurroundings {
    let directory: String
    var aliases: [String: String] = [:]
    var users: Set<String> = []
    /// alias keys whose look-up fails.
    var brokenAliases: Set<String> = []
    var isUserDatabaseDown = false
    var settings = LocalSettings()
    private(set) var log: [String] = []
    private(set) var forwarded: [ForwardedMessage] = []
    private var isFirstDelivery = true
    /// How often the agent said that something long begins.
    private(set) var longWork = 0
    /// What stands between the deliveries and their commit.
    var beforeCommit: () throws -> Void = {}
    private(set) var forwardedContent: [[UInt8]] = []
    private(set) var handedOver: [HandOff] = []
    var mailboxTransports: [String: String] = [:]
    var fallbackTransports: [String: String] = [:]
    var handOverReply = RecipientOutcome(.delivered, EnhancedStatusCode(2, 0, 0), "taken", relay: "other")
    var forwardReply = RecipientOutcome(.expanded, EnhancedStatusCode(2, 0, 0), "forwarded as 4jYJDg2t5cz1r2", relay: "local")

    init(_ name: String = #function) throws {
        directory = "/tmp/martlet-local-test.\(ProcessSpawn.currentProcessID).\(SystemClock.monotonic()).\(name.prefix { $0 != "(" })"
        try Files.makeDirectory(directory)
        for path in ["spool", "home", "files"] { try Files.makeDirectory("\(directory)/\(path)") }
        settings.mailSpoolDirectory = "\(directory)/spool"
        settings.recipientDelimiter = "+"
        settings.lockAttempts = 1
    }

    deinit { TestSurroundings.remove(directory) }

    private static func remove(_ path: String) {
        let isDirectory = (try? Files.linkStatus(of: path))?.isDirectory ?? false
        guard isDirectory else {
            try? Files.unlink(path)
            return
        }
        for entry in (try? Files.directoryEntries(path)) ?? [] { remove("\(path)/\(entry)") }
        try? Files.removeDirectory(path)
    }

    func write(_ path: String, _ text: String, mode: UInt32 = 0o600) throws {
        let file = try FileDescriptor.open("\(directory)/\(path)", [.writeOnly, .create, .truncate], mode: mode)
        try file.writeAll(Array(text.utf8))
        try file.setMode(mode)
    }

    func read(_ path: String) throws -> String { String(decoding: try Files.contents(of: "\(directory)/\(path)"), as: UTF8.self) }

    func addUser(_ name: String) throws {
        users.insert(name)
        try Files.makeDirectory("\(directory)/home/\(name)")
    }

    private func record(_ name: String) -> UserRecord {
        UserRecord(
            name: name, uid: Privileges.realUser, gid: Privileges.realGroup, home: "\(directory)/home/\(name)", shell: "", gecos: "")
    }

    static let defaultContent = "Subject: test\r\n\r\nhello\r\nFrom here\r\n"

    /// Delivers to `recipients` (`user` without a domain means `user@x`) and returns the outcomes.
    func deliver(_ recipients: String..., content: String = defaultContent, sender: String = "bob@sender") throws -> [RecipientOutcome] {
        try write("queuefile", "head" + content)
        let envelope = Envelope(
            sender: MailAddress(sender),
            recipients: recipients.map { EnvelopeRecipient(MailAddress($0.contains("@") ? $0 : "\($0)@x"), notify: [.success, .failure]) },
            origin: .remoteSMTP, arrival: 0)
        let id = try #require(QueueID("4jYJDg2t5cz1r2"))
        let tables = LocalTables(
            alias: { [self] key throws(LookupError) in
                let name = String(decoding: key, as: UTF8.self)
                if brokenAliases.contains(name) { throw LookupError(table: "test:", reason: "down") }
                return aliases[name].map { Array($0.utf8) }
            },
            route: { address in
                let domain = address.domain.isEmpty ? Array("x".utf8) : address.domain
                let whole = MailAddress(localPart: address.localPart, domain: domain)
                let isLocal = domain == Array("x".utf8)
                return .route(
                    Route(addressClass: isLocal ? .local : .other, transport: isLocal ? "local" : "smtp", nextHop: "", recipient: whole))
            },
            user: { [self] name throws(SystemError) in
                if isUserDatabaseDown { throw SystemError(errno: 5, operation: "look up user", object: name) }
                return users.contains(name) ? record(name) : nil
            },
            mailboxCommand: { _ throws(LookupError) in nil },
            mailboxTransport: { [self] key throws(LookupError) in
                mailboxTransports[String(decoding: key, as: UTF8.self)].map { Array($0.utf8) }
            },
            fallbackTransport: { [self] key throws(LookupError) in
                fallbackTransports[String(decoding: key, as: UTF8.self)].map { Array($0.utf8) }
            },
            defaultIdentity: DeliveryIdentity(record("nobody"), supplementary: []))
        let batch = MaildirBatch()
        let deliverer = LocalDeliverer(
            DeliveryMessage(queueID: id, envelope: envelope, activated: 0, received: 0),
            content: try MessageContent(
                file: try FileDescriptor.open("\(directory)/queuefile", .readOnly), offset: 4, length: UInt64(content.utf8.count)),
            settings: settings, tables: tables, transport: "local", helperPath: "/nonexistent", now: { 1_795_467_475_000_000 },
            log: { [self] line, _ in log.append(line) }, warn: { [self] in log.append("warning: \($0)") },
            forwarder: { [self] message, content in
                forwarded.append(message)
                forwardedContent.append((try? content.start(upTo: .max)) ?? [])
                return forwardReply
            },
            handOver: { [self] handOff, _ in
                handedOver.append(handOff)
                return handOverReply
            }, batch: batch, beforeLongWork: { [self] in longWork += 1 })
        deliverer.run()
        #expect(!log.contains { $0.contains("status=") && !$0.hasPrefix("warning:") } || !isFirstDelivery)
        isFirstDelivery = false
        try beforeCommit()
        batch.commit()
        return deliverer.finish()
    }

    /// The messages in a Maildir's `new`.
    func maildir(_ path: String) throws -> [String] {
        try Files.directoryEntries("\(directory)/\(path)/new").sorted().map { try read("\(path)/new/\($0)") }
    }
}

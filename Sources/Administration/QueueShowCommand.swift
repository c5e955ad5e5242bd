// martlet queue show: one message as it lies in the queue, as postcat shows it.
//
// Security: the file is read with the caller's rights. Text of the envelope is made printable; with --content the content goes out as it
// was accepted.

import ArgumentParser
import MailConfiguration
import MailModel
import MailQueue
import SystemKit

struct QueueShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a message: its envelope and its content.",
        discussion: "The status is 66 where no queue directory has the message, 65 where its file is damaged.")

    @OptionGroup var common: CommonOptions

    @Flag(name: .long, help: "Only the envelope.")
    var envelope = false

    @Flag(name: .long, help: "Only the content, as it was accepted.")
    var content = false

    @Flag(name: .long, help: "Print the envelope as one JSON object.")
    var json = false

    @Argument(help: "The queue id.")
    var message: String

    func validate() throws {
        if content && (envelope || json) { throw ValidationError("--content excludes --envelope and --json") }
    }

    func run() throws {
        let directories = QueueDirectories(root: try common.loadMain()[Parameters.queueDirectory])
        let id = try MessageSelection.id(message)
        // A message that moves from one directory to the next meanwhile is found on the second round.
        for _ in 0..<2 {
            for directory in [QueueDirectory.incoming, .deferred, .hold, .corrupt] {
                do throws(SystemError) {
                    if try !Files.exists(directories.path(directory, id)) { continue }
                } catch {
                    Diagnostics.error(error.description)
                    throw error.isPermissionDenied ? SystemExit.noPermission : SystemExit.system
                }
                let path = directories.path(directory, id)
                return try explaining(path) { try show(QueueFileReader(path: path), path, id: id, place: directory.name) }
            }
            // One that is being delivered may be in a commit log alone.
            if let file = try logged(id, directories) {
                let path = "\(directories.commit)/\(id.text)"
                let reader = try QueueFileReader(owning: file)
                return try explaining(path) { try show(reader, path, id: id, place: "active") }
            }
        }
        Diagnostics.error("there is no message \(id.text) in the queue")
        throw SystemExit.noInput
    }

    private func logged(_ id: QueueID, _ directories: QueueDirectories) throws -> FileDescriptor? {
        do throws(SystemError) {
            return try CommitLogLookup.file(of: id, in: directories)
        } catch {
            Diagnostics.error(error.description)
            throw error.isPermissionDenied ? SystemExit.noPermission : SystemExit.system
        }
    }

    private func explaining(_ path: String, _ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as QueueFileError {
            Diagnostics.error("\(path): \(error.description)")
            throw SystemExit.data
        }
    }

    private func show(_ reader: borrowing QueueFileReader, _ path: String, id: QueueID, place: String) throws {
        if json {
            print(MessageReport.json(id: id, place: place, reader: reader).encoded)
        } else if !content {
            print(MessageReport.text(id: id, place: place, reader: reader), terminator: "")
        }
        if json || envelope { return }
        if !content { print("*** MESSAGE CONTENTS ***") }
        var offset: UInt64 = 0
        while offset < reader.header.contentLength {
            let chunk = try reader.content(at: offset, upTo: 1 << 16)
            if chunk.isEmpty { break }
            if content {
                try FileDescriptor.borrowing(1) { output throws(SystemError) in try output.writeAll(chunk) }
            } else {
                // For a terminal: newlines, and nothing that controls it.
                let lines = chunk.filter { $0 != UInt8(ascii: "\r") }.split(
                    separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
                print(lines.map(Self.terminalText).joined(separator: "\n"), terminator: "")
            }
            offset += UInt64(chunk.count)
        }
        if try !reader.verifyContent() {
            Diagnostics.error("\(path): the content is not what was accepted (checksum)")
            throw SystemExit.data
        }
    }
}

extension QueueShowCommand {
    /// A line with its tabs, and everything else that is not printable as `?`.
    private static func terminalText(_ line: ArraySlice<UInt8>) -> String {
        line.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
            .map { ASCII.printable($0, limit: $0.count) }.joined(separator: "\t")
    }
}

/// The envelope of a queue file for people and programs.
enum MessageReport {
    static func text(id: QueueID, place: String, reader: borrowing QueueFileReader) -> String {
        let envelope = reader.envelope
        var out = "*** ENVELOPE of \(id.text) in \(place) ***\n"
        func line(_ name: String, _ value: String) { if !value.isEmpty { out += "\(name): \(value)\n" } }
        line("arrival", String(envelope.arrival / 1_000_000))
        line("size", String(reader.header.contentLength))
        line("sender", envelope.sender.isNull ? "<>" : envelope.sender.logForm)
        line("envelope id", ASCII.printable(envelope.envelopeID))
        line("client", client(envelope.client))
        if envelope.userID >= 0 { line("user id", String(envelope.userID)) }
        line("unit", ControlGroup.unit(of: envelope.controlGroup))
        line("control group", ASCII.printable(Array(envelope.controlGroup.utf8)))
        for (recipient, state) in zip(envelope.recipients, reader.states) {
            line("recipient (\(name(state)))", recipient.address.logForm)
            if let original = recipient.originalAddress { line("  original address", original.logForm) }
            line("  original recipient", ASCII.printable(recipient.originalRecipient))
            line("  notify", recipient.notify.parameterText ?? "")
        }
        return out
    }

    static func json(id: QueueID, place: String, reader: borrowing QueueFileReader) -> JSONText {
        let envelope = reader.envelope
        let recipients = zip(envelope.recipients, reader.states).map { recipient, state in
            JSONText.object([
                ("address", .text(recipient.address.logForm)), ("state", .text(name(state))),
                ("original_address", recipient.originalAddress.map { .text($0.logForm) } ?? .null),
                ("original_recipient", .text(ASCII.printable(recipient.originalRecipient))),
                ("notify", recipient.notify.parameterText.map { .text($0) } ?? .null),
            ])
        }
        return .object([
            ("queue_id", .text(id.text)), ("queue_name", .text(place)), ("arrival_time", .number(envelope.arrival / 1_000_000)),
            ("message_size", .number(Int64(clamping: reader.header.contentLength))), ("sender", .text(envelope.sender.logForm)),
            ("envelope_id", .text(ASCII.printable(envelope.envelopeID))), ("client", .text(client(envelope.client))),
            ("uid", envelope.userID >= 0 ? .number(envelope.userID) : .null),
            ("unit", .text(ControlGroup.unit(of: envelope.controlGroup))),
            ("cgroup", .text(ASCII.printable(Array(envelope.controlGroup.utf8)))),
            ("recipients", .list(recipients)),
        ])
    }

    private static func client(_ facts: ClientFacts) -> String {
        facts.address.isEmpty ? "" : ASCII.printable(Array("\(facts.name)[\(facts.address)]".utf8))
    }

    private static func name(_ state: RecipientState) -> String {
        switch state {
        case .todo: "to do"
        case .done: "done"
        case .bounced: "bounced"
        }
    }
}

// postcat: a queue file in the form in which Postfix's prints its records, which scripts search.
//
// Security: the file is read with the caller's rights, checked and bounded by its reader. The envelope is made printable; the content goes out as
// it was accepted (without CR), as Postfix has it: use `martlet queue show` where the message is not to be trusted with the terminal.
// Known limits: there are no records to count, so that -d, -o and -s are errors; -r has nothing to follow and no effect.

import InternetMessage
import MailConfiguration
import MailModel
import MailQueue
import SystemKit

enum PostcatCommand {
    private static let usage = """
        [-b (body text)] [-c config_dir] [-e (envelope records)] [-h (header text)] [-q (access queue)] [-v] [file(s)...]
        """

    static func run(_ session: ClassicSession) throws(ClassicFailure) -> Int32 {
        let options = try ClassicOptions(session, "bc:dehoqrs:v", usage: usage)
        if let directory = options.argument(of: "c") { session.directory = directory }
        for letter in options.given(of: "dos") { throw ClassicFailure("-\(letter): queue files of Martlet have no records to be counted") }
        let all = options.given(of: "ehb").isEmpty
        let printer = QueueFilePrinter(
            output: session.output, showsEnvelope: all || options.has("e"), showsHeader: all || options.has("h"),
            showsBody: all || options.has("b"), isVerbose: options.has("v"))
        if !options.has("q") {
            if options.operands.isEmpty { throw ClassicFailure("usage: \(session.name) \(usage)") }
            for path in options.operands { try printer.show(path: path, label: path) }
            return 0
        }
        let directories = QueueDirectories(root: try session.configuration()[Parameters.queueDirectory])
        for word in options.operands {
            if let (path, label) = try find(word, directories) {
                try printer.show(path: path, label: label)
            } else if let id = QueueID(word), let file = try? CommitLogLookup.file(of: id, in: directories) {
                // One that is being delivered may be in a commit log alone.
                try printer.show(file, label: "active/\(id.text)")
            } else {
                throw ClassicFailure("open queue file \(word): No such file or directory")
            }
        }
        return 0
    }

    /// Where a message lies. One that moves from one directory to the next meanwhile is found on the second round.
    private static func find(_ word: String, _ directories: QueueDirectories) throws(ClassicFailure) -> (path: String, label: String)? {
        guard let id = QueueID(word) else { return nil }
        for _ in 0..<2 {
            for directory in [QueueDirectory.incoming, .deferred, .hold, .maildrop, .corrupt] {
                do throws(SystemError) {
                    if try Files.exists(directories.path(directory, id)) {
                        return (directories.path(directory, id), "\(directory.name)/\(id.text)")
                    }
                } catch {
                    throw ClassicFailure("open queue file \(word): \(error.reason)")
                }
            }
        }
        return nil
    }
}

/// Prints queue files and submissions.
private struct QueueFilePrinter {
    let output: ClassicOutput
    let showsEnvelope: Bool
    let showsHeader: Bool
    let showsBody: Bool
    let isVerbose: Bool

    func show(path: String, label: String) throws(ClassicFailure) {
        let beginning: [UInt8]
        do throws(SystemError) {
            beginning = try FileDescriptor.open(path, [.readOnly, .nonBlocking]).pread(upTo: MaildropFile.firstLine.count, at: 0)
        } catch {
            throw ClassicFailure("open \(path): \(error.reason)")
        }
        if beginning == MaildropFile.firstLine { return try showSubmission(path, label) }
        let file: FileDescriptor
        do throws(SystemError) {
            file = try FileDescriptor.open(path, [.readOnly, .noFollow])
        } catch {
            throw ClassicFailure("\(path): \(error)")
        }
        try show(file, label: label)
    }

    func show(_ file: consuming FileDescriptor, label: String) throws(ClassicFailure) {
        do {
            let reader = try QueueFileReader(owning: file)
            if showsEnvelope { printEnvelope(reader.envelope, states: reader.states, reader.header, label) }
            var lines = ContentLines(printer: self)
            var offset: UInt64 = 0
            while offset < reader.header.contentLength {
                let chunk = try reader.content(at: offset, upTo: 1 << 16)
                if chunk.isEmpty { break }
                lines.add(chunk)
                offset += UInt64(chunk.count)
            }
            lines.end()
            printEnd(label)
        } catch {
            throw ClassicFailure("\(label): \(error)")
        }
    }

    private func showSubmission(_ path: String, _ label: String) throws(ClassicFailure) {
        do {
            var decoder = MaildropFileDecoder(maximumContent: .max)
            decoder.append(try Files.contents(of: path, limit: 1 << 30))
            var lines = ContentLines(printer: self)
            while let event = try decoder.next() {
                switch event {
                case .envelope(let envelope): if showsEnvelope { printEnvelope(envelope, states: nil, nil, label) }
                case .content(let bytes): lines.add(bytes)
                case .verp, .question: continue
                case .end: break
                }
                if case .end = event { break }
            }
            lines.end()
            printEnd(label)
        } catch {
            throw ClassicFailure("\(path): \(error)")
        }
    }

    private func printEnd(_ label: String) {
        guard showsEnvelope else { return }
        output.line("*** HEADER EXTRACTED \(label) ***")
        output.line("*** MESSAGE FILE END \(label) ***")
    }

    private func printEnvelope(_ envelope: Envelope, states: [RecipientState]?, _ header: QueueFileHeader?, _ label: String) {
        output.line("*** ENVELOPE RECORDS \(label) ***")
        if let header {
            let numbers = [
                header.contentLength, header.contentOffset, UInt64(header.recipientCount), 0, header.contentLength,
                envelope.isSMTPUTF8 ? 1 : 0,
            ]
            output.line("message_size: " + numbers.map { padded(String($0), to: 15) }.joined(separator: " "))
        }
        if states != nil { output.line("message_arrival_time: \(Self.date(envelope.arrival))") }
        output.line("create_time: \(Self.date(envelope.arrival))")
        if !envelope.envelopeID.isEmpty { attribute("dsn_envelope_id", ASCII.printable(envelope.envelopeID)) }
        attribute("rewrite_context", envelope.origin == .remoteSMTP ? "remote" : "local")
        let client = envelope.client
        if !client.address.isEmpty {
            for prefix in ["log_", ""] {
                attribute("\(prefix)client_name", client.name)
                attribute("\(prefix)client_address", client.address)
                attribute("\(prefix)client_port", String(client.port))
                attribute("\(prefix)helo_name", client.helo)
                attribute("\(prefix)protocol_name", client.protocolName)
            }
            if !client.login.isEmpty { attribute("sasl_username", client.login) }
        }
        if !envelope.fullName.isEmpty { output.line("sender_fullname: \(ASCII.printable(envelope.fullName))") }
        output.line("sender: \(ASCII.printable(envelope.sender.internalForm))")
        for (index, recipient) in envelope.recipients.enumerated() {
            if !recipient.originalRecipient.isEmpty { attribute("dsn_orig_rcpt", ASCII.printable(recipient.originalRecipient)) }
            if let original = recipient.originalAddress { output.line("original_recipient: \(ASCII.printable(original.internalForm))") }
            let isDone = states.map { $0[index] != .todo } ?? false
            output.line("\(isDone ? "done_" : "")recipient: \(ASCII.printable(recipient.address.internalForm))")
        }
        output.line("*** MESSAGE CONTENTS \(label) ***")
    }

    private func attribute(_ name: String, _ value: String) {
        output.line("named_attribute: \(name)=\(ASCII.printable(Array(value.utf8)))")
    }

    private func padded(_ text: String, to width: Int) -> String { String(repeating: " ", count: max(0, width - text.utf8.count)) + text }

    /// `Thu Nov 26 03:46:28 2026`, local time, as asctime(3).
    private static func date(_ microseconds: Int64) -> String {
        let seconds = microseconds / 1_000_000
        let parts = RFC5322Date(seconds: seconds, offset: SystemClock.localOffset(at: seconds)).text().split(separator: " ")
        guard parts.count >= 5 else { return "-" }
        return "\(parts[0].dropLast()) \(parts[2]) \(parts[1].utf8.count < 2 ? " " : "")\(parts[1]) \(parts[4]) \(parts[3])"
    }

    /// The content as lines, header and body apart.
    private struct ContentLines {
        let printer: QueueFilePrinter
        private var rest: [UInt8] = []
        private var isBody = false

        init(printer: QueueFilePrinter) { self.printer = printer }

        mutating func add(_ bytes: [UInt8]) {
            rest += bytes
            var start = 0
            while let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
                emit(rest[start..<end])
                start = end + 1
            }
            rest.removeFirst(start)
        }

        mutating func end() {
            if !rest.isEmpty { emit(rest[...]) }
            rest = []
        }

        private mutating func emit(_ line: ArraySlice<UInt8>) {
            let text = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            if text.isEmpty { isBody = true }
            guard isBody ? printer.showsBody : printer.showsHeader else { return }
            printer.output.write((printer.isVerbose ? Array("regular_text: ".utf8) : []) + text + [UInt8(ascii: "\n")])
        }
    }
}

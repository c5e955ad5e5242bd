// postdrop(1): reads one submission on standard input and puts it into `maildrop`. The only writer there.
//
// Security: set-group-id. Everything it reads is the caller's: the environment, the descriptors, the options, the bytes. It believes the
// kernel about who the caller is (the owner of the file it creates, its own control group), copies only what the decoder has checked, and
// does nothing else. A signal of the caller removes the unfinished file.
// Bounds: message_size_limit for content, MaildropFile's for the rest; no input for a day ends it, because then pickup takes its file for
// one that a crash left. Memory is one piece of input and one envelope. What else a caller could use up (processes, files, the disk's quota)
// is accounted to the caller by the kernel: process and file are the caller's.

import MailConfiguration
import MailModel
import MailQueue
import SystemKit

/// The program.
public enum PostdropProgram {
    public static func main() -> Never {
        CommandSurroundings.makeSafe()
        var configuration: Configuration?
        do throws(CommandFailure) {
            let directory = try CommandSurroundings.configurationDirectory(option: try option(CommandSurroundings.words()))
            let loaded = try CommandSurroundings.load(directory: directory)
            configuration = loaded
            CommandSurroundings.cleanEnvironment(loaded)
            try AuthorizedUsers(Parameters.authorizedSubmitUsers, loaded).requireCaller(to: "submit mail")
            try drop(loaded)
            PickupNotice.send(queueDirectory: loaded[Parameters.queueDirectory])
            ProcessSpawn.exit(CommandStatus.ok.rawValue)
        } catch {
            CommandSurroundings.fail("postdrop", error, configuration: configuration)
        }
    }

    /// `-c directory`; `-r` and `-v` of Postfix's postdrop mean nothing here.
    private static func option(_ words: [[UInt8]]) throws(CommandFailure) -> [UInt8]? {
        var scanner = OptionScanner(Array(words.dropFirst())) { letter in
            switch letter {
            case UInt8(ascii: "c"): .required
            case UInt8(ascii: "r"), UInt8(ascii: "v"): OptionArgument.none
            default: nil
            }
        }
        var directory: [UInt8]?
        while let (letter, argument) = try scanner.next() {
            if letter == UInt8(ascii: "c") { directory = argument }
        }
        guard scanner.operands.isEmpty else { throw CommandFailure(.usage, "usage: postdrop [-c config_dir] < submission") }
        return directory
    }

    /// Timers and limits of the caller survive execve(2).
    private static let interruptions: [Signal] = [.interrupt, .terminate, .hangUp, .quit, .alarm, .cpuLimit]
    private static let patience = 86_400_000

    private static func drop(_ configuration: Configuration) throws(CommandFailure) {
        let limit = configuration[Parameters.messageSizeLimit]
        SignalWait.block(interruptions)
        let directory = QueueDirectories(root: configuration[Parameters.queueDirectory]).path(.maildrop)
        do {
            let signals = try SignalWait.descriptor(for: interruptions)
            let writer = try MaildropWriter(
                directory: directory, time: SystemClock.now(), processID: ProcessSpawn.currentProcessID)
            do {
                try copy(
                    to: writer, maximumContent: limit > 0 ? UInt64(limit) : UInt64.max, signals: signals.rawValue,
                    verpFilter: Array(configuration[Parameters.verpDelimiterFilter].utf8))
                _ = try writer.commit()
            } catch {
                writer.abandon()
                throw error
            }
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure(.temporaryFailure, "cannot queue the message: \(error)")
        }
    }

    /// Reads, checks and copies; returns only when the submission was whole.
    private static func copy(
        to writer: borrowing MaildropWriter, maximumContent: UInt64, signals: Int32, verpFilter: [UInt8]
    ) throws(CommandFailure) {
        var decoder = MaildropFileDecoder(maximumContent: maximumContent)
        var encoder = MaildropFileEncoder()
        while true {
            let input: [UInt8]
            do throws(SystemError) {
                let ready = try Polling.wait([Polling.Interest(signals, .read), Polling.Interest(0, .read)], milliseconds: patience)
                if ready.isEmpty { throw SystemError(errno: 110, operation: "read", object: "standard input") }
                if ready.contains(0) { throw SystemError(errno: 4, operation: "read", object: "standard input") }
                input = try FileDescriptor.borrowing(0) { stdin throws(SystemError) in try stdin.read(upTo: 128 << 10) }
            } catch {
                throw CommandFailure(.temporaryFailure, "interrupted: \(error)")
            }
            if input.isEmpty {
                if decoder.isComplete { return }
                // sendmail gave up, and has told the caller why.
                throw CommandFailure(.dataError, "")
            }
            decoder.append(input)
            do {
                while let event = try decoder.next() {
                    if case .verp(let delimiters) = event, !delimiters.text.allSatisfy(verpFilter.contains) {
                        throw MaildropFileError("VERP delimiters that verp_delimiter_filter does not allow")
                    }
                    try writer.write(bytes(of: event, &encoder))
                }
            } catch let error as MaildropFileError {
                throw CommandFailure(error.isTooBig ? .unavailable : .dataError, "\(error)")
            } catch {
                throw CommandFailure(.temporaryFailure, "cannot queue the message: \(error)")
            }
        }
    }

    private static func bytes(of event: MaildropFileDecoder.Event, _ encoder: inout MaildropFileEncoder) -> [UInt8] {
        switch event {
        case .envelope(var envelope):
            // Who and when are facts, not claims.
            envelope.userID = Int64(Privileges.realUser)
            envelope.arrival = SystemClock.now()
            envelope.isHeld = false
            envelope.controlGroup = ownControlGroup()
            return encoder.begin(envelope)
        case .verp(let delimiters): return encoder.verp(delimiters)
        case .question: return encoder.question()
        case .content(let content): return encoder.content(content)
        case .end: return encoder.end()
        }
    }

    /// Empty where the kernel has no control groups, or /proc is not there.
    private static func ownControlGroup() -> String {
        guard let text = try? FileDescriptor.open("/proc/self/cgroup", [.readOnly, .noFollow]).readAll(limit: 64 << 10) else { return "" }
        return ControlGroup.path(text)
    }
}

// Delivery to a command: the message on its standard input, facts in its environment, its exit status as the outcome.
//
// The command has a process group of its own, which is killed when `command_time_limit` is over. Its output is kept for the report, up to a
// bound. A command that ends without reading everything decides by its exit status alone.

import MailModel
import SystemKit

/// A command to deliver to.
struct CommandDelivery {
    let command: [UInt8]
    /// `local_command_shell`; empty for none.
    var shell = ""
    let identity: DeliveryIdentity
    let environment: [(String, String)]
    /// Where it runs: the user's home, or the root directory.
    let directory: String
    /// Seconds.
    let timeLimit: Int
    /// The program `local`, for ``CommandHelper``.
    let helperPath: String

    /// Octets of output that are kept.
    private static let outputLimit = 4096

    /// Runs it with the message.
    func deliver(_ content: borrowing MessageContent, header: [UInt8], form: MailboxForm) -> RecipientOutcome {
        guard let arguments = CommandText.argumentVector(command, shell: shell) else {
            return RecipientOutcome(.deferred, EnhancedStatusCode(4, 3, 5), "command is not usable: not UTF-8 or empty", relay: "local")
        }
        do throws(SystemError) {
            let (end, output) = try run(arguments, content, header: header, form: form)
            return CommandOutcome.outcome(end, command: command, output: output)
        } catch {
            return RecipientOutcome(.deferred, EnhancedStatusCode(4, 3, 0), "cannot run command: \(error)", relay: "local")
        }
    }

    private func run(
        _ arguments: [String], _ content: borrowing MessageContent, header: [UInt8], form: MailboxForm
    ) throws(SystemError) -> (CommandOutcome.End, [UInt8]) {
        let input = try FileDescriptor.pipe().release()
        let childInput = FileDescriptor(owning: input.read)
        let ourInput = FileDescriptor(owning: input.write)
        let output = try FileDescriptor.pipe().release()
        let ourOutput = FileDescriptor(owning: output.read)
        let childOutput = FileDescriptor(owning: output.write)
        let signals = try SignalWait.descriptor(for: [.child])
        let isOwn = Privileges.isRoot
        let words = isOwn ? CommandHelper.arguments(identity, directory: directory, command: arguments) : arguments
        let child = try ProcessSpawn.spawn(
            path: isOwn ? helperPath : arguments[0], arguments: words, environment: environment,
            descriptors: [(from: childInput.rawValue, to: 0), (from: childOutput.rawValue, to: 1), (from: childOutput.rawValue, to: 2)],
            workingDirectory: isOwn ? nil : existing(directory), grouping: .ownGroup)
        _ = consume childInput
        _ = consume childOutput
        var dialogue = Dialogue(
            child: child, input: ourInput.release(), output: ourOutput.release(), signals: signals.rawValue,
            deadline: SystemClock.monotonic() + Int64(timeLimit) * 1_000_000, outputLimit: Self.outputLimit)
        return try dialogue.run(content, header: header, form: form)
    }

    private func existing(_ directory: String) -> String {
        // A home that is not there is no reason not to run the command.
        (try? Files.status(of: directory))?.isDirectory == true ? directory : "/"
    }

    /// Feeds the message and takes the output until the child has ended.
    private struct Dialogue {
        let child: Int32
        var input: Int32
        var output: Int32
        let signals: Int32
        let deadline: Int64
        let outputLimit: Int
        var kept: [UInt8] = []

        mutating func run(
            _ content: borrowing MessageContent, header: [UInt8], form: MailboxForm
        ) throws(SystemError) -> (CommandOutcome.End, [UInt8]) {
            let end: CommandOutcome.End
            do throws(SystemError) {
                end = try converse(content, header: header, form: form)
            } catch {
                stop()
                throw error
            }
            Self.close(&input)
            Self.close(&output)
            return (end, kept)
        }

        private mutating func converse(
            _ content: borrowing MessageContent, header: [UInt8], form: MailboxForm
        ) throws(SystemError) -> CommandOutcome.End {
            try FileDescriptor.borrowing(input) { pipe throws(SystemError) in try pipe.setNonBlocking(true) }
            var converter = MailboxBody(form)
            var pending = header[...]
            var position = 0
            var isAllRead = false
            while true {
                if pending.isEmpty && !isAllRead && input >= 0 {
                    let piece = try content.piece(at: position, upTo: 64 << 10)
                    position += piece.count
                    isAllRead = piece.isEmpty
                    pending = (isAllRead ? converter.finish() : converter.feed(piece))[...]
                    if pending.isEmpty && !isAllRead { continue }
                }
                if pending.isEmpty && isAllRead { Self.close(&input) }
                if let end = try ended() { return end }
                let left = deadline - SystemClock.monotonic()
                guard left > 0 else {
                    stop()
                    return .timedOut
                }
                var interests = [Polling.Interest(signals, .read)]
                if output >= 0 { interests.append(Polling.Interest(output, .read)) }
                if input >= 0 { interests.append(Polling.Interest(input, .write)) }
                for index in try Polling.wait(interests, milliseconds: Int(left / 1000) + 1) {
                    switch interests[index].descriptor {
                    case signals: try takeSignal()
                    case output: try takeOutput()
                    default: feed(&pending)
                    }
                }
            }
        }

        private func takeSignal() throws(SystemError) {
            _ = try FileDescriptor.borrowing(signals) { open throws(SystemError) in try SignalWait.next(from: open) }
        }

        private mutating func takeOutput() throws(SystemError) {
            let bytes = try FileDescriptor.borrowing(output) { pipe throws(SystemError) in try pipe.read(upTo: 4096) }
            if bytes.isEmpty { Self.close(&output) }
            kept += bytes.prefix(max(0, outputLimit - kept.count))
        }

        private mutating func feed(_ pending: inout ArraySlice<UInt8>) {
            do throws(SystemError) {
                let part = Array(pending)
                let count = try FileDescriptor.borrowing(input) { pipe throws(SystemError) in try pipe.write(part) }
                pending = pending.dropFirst(count)
            } catch {
                if error.isWouldBlock { return }
                // It reads no more (EPIPE): its exit status says what that means.
                pending = []
                Self.close(&input)
            }
        }

        /// Whether the child has ended; what it wrote before is taken then.
        private mutating func ended() throws(SystemError) -> CommandOutcome.End? {
            guard let status = try ProcessSpawn.poll(child) else { return nil }
            while output >= 0, try Polling.isReadable(output, within: 0) { try takeOutput() }
            switch status {
            case .exited(let code): return .exited(code)
            case .killed(let signal): return .killed(signal: signal)
            }
        }

        private mutating func stop() {
            // Whatever of the group is gone already needs no signal.
            try? ProcessSpawn.killGroup(child, .kill)
            _ = try? ProcessSpawn.wait(for: child)
            Self.close(&input)
            Self.close(&output)
        }

        private static func close(_ descriptor: inout Int32) {
            if descriptor >= 0 { _ = FileDescriptor(owning: descriptor) }
            descriptor = -1
        }
    }
}

// The way from sendmail to postdrop: a child with a pipe to its standard input.

import SystemKit

/// A running postdrop.
struct PostdropPipe: ~Copyable {
    private let input: FileDescriptor
    private let processID: Int32

    init(commandDirectory: String, configurationDirectory: String) throws(CommandFailure) {
        let started = try PostdropPipe.start("\(commandDirectory)/postdrop", configurationDirectory)
        input = FileDescriptor(owning: started.input)
        processID = started.processID
    }

    private static func start(
        _ path: String, _ configurationDirectory: String
    ) throws(CommandFailure) -> (input: Int32, processID: Int32) {
        do throws(SystemError) {
            let ends = try FileDescriptor.pipe().release()
            let read = FileDescriptor(owning: ends.read)
            let write = FileDescriptor(owning: ends.write)
            let child = try ProcessSpawn.spawn(
                path: path, arguments: ["postdrop", "-c", configurationDirectory], environment: nil,
                descriptors: [(from: read.rawValue, to: 0), (from: 1, to: 1), (from: 2, to: 2)])
            return (write.release(), child)
        } catch {
            throw CommandFailure(.unavailable, "unable to execute \(path): \(error)")
        }
    }

    /// Sends a piece; false when postdrop reads no more, for a reason that its exit status tells.
    func write(_ bytes: [UInt8]) -> Bool {
        // EPIPE is the only error that a pipe of ours can have.
        (try? input.writeAll(bytes)) != nil
    }

    /// Closes the pipe and waits: only status 0 means that the message is durable. Everything else was said by postdrop on standard error.
    consuming func finish() -> CommandStatus {
        let child = processID
        _ = consume input
        guard let end = try? ProcessSpawn.wait(for: child) else { return .temporaryFailure }
        switch end {
        case .exited(let code): return CommandStatus(rawValue: code) ?? .software
        case .killed: return .temporaryFailure
        }
    }
}

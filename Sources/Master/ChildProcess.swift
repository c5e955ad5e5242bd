// One child: how it is started, and the two pipes on which master hears from it.
//
// The contract with ServiceKit: descriptor 3 takes one byte for each change of state (`A` available, `T` taken), descriptor 4 comes to its
// end when master is gone, 5 is the configuration (sealed memory, option -f), 6 and the following are the listeners, then the lock of a service
// with one process. 0 and 1 are /dev/null;
// what comes on 2 (a trap of the language's runtime, an assertion of a library) becomes log lines.

import SystemKit

/// A child that has not been reaped.
final class ChildProcess {
    static let statusDescriptor: Int32 = 3
    static let lifetimeDescriptor: Int32 = 4
    static let configurationDescriptor: Int32 = 5
    static let firstListener: Int32 = 6
    /// What one child may write to standard error, in bytes; more is read and dropped.
    static let standardErrorLimit = 65536

    let pid: Int32
    let key: ServiceKey
    let command: String
    private let status: FileDescriptor
    private let standardError: FileDescriptor
    private var partialLine: [UInt8] = []
    private var bytesOfError = 0
    /// How often it was looked at, still running, after it closed its status pipe.
    var roundsAfterClosing = 0
    /// Whether the pipes still have a writer.
    private(set) var isStatusOpen = true
    private(set) var isErrorOpen = true

    var statusReader: Int32 { status.rawValue }
    var errorReader: Int32 { standardError.rawValue }

    private init(pid: Int32, service: ServiceDefinition, status: consuming FileDescriptor, standardError: consuming FileDescriptor) {
        self.pid = pid
        key = service.key
        command = service.policy.command
        self.status = status
        self.standardError = standardError
    }

    /// Starts a process of a service.
    ///
    /// - Parameters:
    ///   - lock: the descriptor of the service's lock, which the child keeps open behind its listeners.
    ///   - configuration: what master has checked, as ``ConfigurationSnapshot`` encodes it.
    ///   - lifetime: the reading end of the pipe whose writing end only master has.
    ///   - inheritsStandardOutput: for a log that goes there.
    ///   - inheritsStandardError: for debugging: standard error is master's own.
    static func start(
        _ service: ServiceDefinition, listeners: [Int32], lock: Int32?, configuration: Int32, lifetime: Int32,
        environment: [(String, String)],
        inheritsStandardOutput: Bool, inheritsStandardError: Bool
    ) throws(SystemError) -> ChildProcess {
        let null = try FileDescriptor.open("/dev/null", .readWrite)
        let statusEnds = try FileDescriptor.pipe().release()
        let statusReader = FileDescriptor(owning: statusEnds.read)
        let statusWriter = FileDescriptor(owning: statusEnds.write)
        let errorEnds = try FileDescriptor.pipe().release()
        let errorReader = FileDescriptor(owning: errorEnds.read)
        let errorWriter = FileDescriptor(owning: errorEnds.write)
        try statusReader.setNonBlocking(true)
        try errorReader.setNonBlocking(true)
        var descriptors: [(from: Int32, to: Int32)] = [
            (null.rawValue, 0), (inheritsStandardOutput ? 1 : null.rawValue, 1), (inheritsStandardError ? 2 : errorWriter.rawValue, 2),
            (statusWriter.rawValue, statusDescriptor), (lifetime, lifetimeDescriptor),
            (configuration, configurationDescriptor),
        ]
        for (number, from) in (listeners + (lock.map { [$0] } ?? [])).enumerated() {
            descriptors.append((from, firstListener + Int32(number)))
        }
        let pid = try ProcessSpawn.spawn(
            path: service.policy.command, arguments: [service.programName] + service.arguments, environment: environment,
            descriptors: descriptors)
        return ChildProcess(pid: pid, service: service, status: statusReader, standardError: errorReader)
    }

    /// What the child has said since the last call, oldest first. Unknown bytes are left out.
    func takeReports() -> [ChildReport] { read(status, isOpen: &isStatusOpen).compactMap { ChildReport(rawValue: $0) } }

    /// Whole lines that the child has written to standard error; at the end also one without a line feed.
    func takeErrorLines() -> [String] {
        let bytes = read(standardError, isOpen: &isErrorOpen)
        let room = max(0, Self.standardErrorLimit - bytesOfError)
        bytesOfError += min(bytes.count, room)
        partialLine += bytes.prefix(room)
        var lines = partialLine.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        // What follows the last line feed is not a whole line yet.
        let rest = lines.popLast() ?? []
        if isErrorOpen && rest.count < 4096 {
            partialLine = Array(rest)
        } else {
            partialLine = []
            lines.append(rest)
        }
        return lines.filter { !$0.isEmpty }.map { String(decoding: $0, as: UTF8.self) }
    }

    private func read(_ descriptor: borrowing FileDescriptor, isOpen: inout Bool) -> [UInt8] {
        guard isOpen else { return [] }
        do throws(SystemError) {
            let bytes = try descriptor.read(upTo: 16384)
            if bytes.isEmpty { isOpen = false }
            return bytes
        } catch {
            if !error.isWouldBlock { isOpen = false }
            return []
        }
    }
}

// One child: how it is started, and the two pipes on which master hears from it.
//
// The contract with ServiceKit: descriptor 3 takes one byte for each change of state (`A` available, `T` taken, `D` finishing) and, where
// somebody watches over master, for each sign of life (`L`); descriptor 4 comes to its
// end when master is gone, 5 is the configuration (sealed memory, option -f), 6 the broker of a program of the network (option -b); then come
// the listeners, then the lock of a service with one process. 0 and 1 are /dev/null;
// what comes on 2 (a trap of the language's runtime, an assertion of a library) becomes log lines.

import SystemKit

/// What a child says through its status pipe.
enum ChildReport: UInt8, Sendable {
    /// It takes new connections.
    case available = 0x41
    /// It has as many as it can serve.
    case taken = 0x54
    /// It finishes what it has, and ends.
    case draining = 0x44
    /// Its event loop turns.
    case alive = 0x4C
}

/// A child that has not been reaped.
final class ChildProcess {
    static let statusDescriptor: Int32 = 3
    static let lifetimeDescriptor: Int32 = 4
    static let configurationDescriptor: Int32 = 5
    /// The first one that depends on the service.
    static let firstOfService: Int32 = 6
    /// What one child may write to standard error, in bytes; more is read and dropped.
    static let standardErrorLimit = 65536

    let pid: Int32
    let key: ServiceKey
    let command: String
    private let status: FileDescriptor
    private let standardError: FileDescriptor
    /// nil where the program has none, or is heard no more.
    private(set) var broker: ConnectionBroker?
    private var partialLine: [UInt8] = []
    private var bytesOfError = 0
    /// How often it was looked at, still running, after it closed its status pipe.
    var roundsAfterClosing = 0
    private var lastSignOfLife: Int64?
    private var isKnownSilent = false
    /// Whether the pipes still have a writer.
    private(set) var isStatusOpen = true
    private(set) var isErrorOpen = true

    var statusReader: Int32 { status.rawValue }
    var errorReader: Int32 { standardError.rawValue }

    private init(
        pid: Int32, service: ServiceDefinition, status: consuming FileDescriptor, standardError: consuming FileDescriptor,
        broker: ConnectionBroker?
    ) {
        self.broker = broker
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
    ///   - livenessInterval: how often its event loop is to give a sign of life, in microseconds; nil for never.
    ///   - inheritsStandardOutput: for a log that goes there.
    ///   - inheritsStandardError: for debugging: standard error is master's own.
    static func start(
        _ service: ServiceDefinition, listeners: [Int32], lock: Int32?, configuration: Int32, lifetime: Int32,
        environment: [(String, String)], livenessInterval: Int64?,
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
        var broker: ConnectionBroker?
        var theirs: FileDescriptor?
        if let connections = service.connections {
            let ends = try Sockets.socketPair(type: .seqpacket).release()
            theirs = FileDescriptor(owning: ends.second)
            let ours = FileDescriptor(owning: ends.first)
            try ours.setNonBlocking(true)
            broker = ConnectionBroker(socket: ours, connections: connections)
            descriptors.append((ends.second, firstOfService))
        }
        let first = firstOfService + (broker == nil ? 0 : 1)
        for (number, from) in (listeners + (lock.map { [$0] } ?? [])).enumerated() {
            descriptors.append((from, first + Int32(number)))
        }
        let watch = livenessInterval.map { ["-w", String($0)] } ?? []
        let pid = try ProcessSpawn.spawn(
            path: service.policy.command, arguments: [service.programName] + watch + service.arguments, environment: environment,
            descriptors: descriptors)
        // The child has its own by now.
        _ = consume theirs
        return ChildProcess(pid: pid, service: service, status: statusReader, standardError: errorReader, broker: broker)
    }

    /// Takes note of a sign of life. Who finishes its work gives none any more.
    func note(_ report: ChildReport, now: Int64) {
        switch report {
        case .alive: lastSignOfLife = now
        case .draining: lastSignOfLife = nil
        case .available, .taken: return
        }
        isKnownSilent = false
    }

    func isSilent(now: Int64, limit: Int64) -> Bool { lastSignOfLife.map { now - $0 > limit } ?? false }

    /// Whether its silence was not yet spoken of.
    func isNewlySilent() -> Bool {
        defer { isKnownSilent = true }
        return !isKnownSilent
    }

    /// Makes the connections that the child has asked for; a line for the log where it is heard no more.
    func serveBroker(now: Int64) -> String? {
        guard let broker, let end = broker.serve(now: now) else { return nil }
        self.broker = nil
        guard case .violation(let text) = end else { return nil }
        return "process \(command) pid \(pid): \(text): it gets no more connections to other programs"
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

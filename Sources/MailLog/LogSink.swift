// The open end of a log: one descriptor that all copies of a MailLog share.

import Synchronization
import SystemKit

/// The destination of lines, opened once.
final class LogSink: Sendable {
    private enum Form: Sendable { case syslog(String), journal(String), file(String), json(String), stderr }

    /// The file name that stands for the standard output of whoever started master.
    private static let standardOutput = "/dev/stdout"

    private let form: Form
    private let facility: Int
    /// Whether facts are written; where they are not, nobody has to make them.
    let takesFields: Bool
    /// The open file or socket; -1 for none. Replaced by `reopen` and when a socket's peer was restarted.
    private let descriptor: Mutex<Int32>
    private let processID: Int32
    private let host: String
    private let clock: @Sendable () -> Int64

    private init(form: Form, descriptor: Int32, facility: Int, processID: Int32, clock: @escaping @Sendable () -> Int64) {
        self.form = form
        self.facility = facility
        takesFields =
            switch form {
            case .journal, .json: true
            case .syslog, .file, .stderr: false
            }
        self.descriptor = Mutex(descriptor)
        self.processID = processID
        self.clock = clock
        // Classic loggers write the first label of the name.
        host = String(HostName.current.prefix { $0 != "." })
    }

    deinit { descriptor.withLock { if $0 > 2 { _ = FileDescriptor(owning: $0) } } }

    /// Opens a destination, or standard error together with the reason why not.
    static func open(
        _ destination: MailLog.Destination, facility: Int, processID: Int32, clock: @escaping @Sendable () -> Int64
    ) -> (sink: LogSink, problem: SystemError?) {
        let form: Form =
            switch destination {
            case .syslog: .syslog("/dev/log")
            case .journal: .journal("/run/systemd/journal/socket")
            case .file(let path): .file(path)
            case .jsonFile(let path): .json(path)
            case .stderr: .stderr
            }
        do {
            return (LogSink(form: form, descriptor: try openDescriptor(form), facility: facility, processID: processID, clock: clock), nil)
        } catch {
            return (LogSink(form: .stderr, descriptor: 2, facility: facility, processID: processID, clock: clock), error)
        }
    }

    private static func openDescriptor(_ form: Form) throws(SystemError) -> Int32 {
        switch form {
        case .syslog(let path), .journal(let path): try Sockets.connectUnix(path: path, kind: .datagram).release()
        // By its descriptor: a socket or a pipe of somebody else's cannot be opened by that name.
        case .file(standardOutput), .json(standardOutput):
            try FileDescriptor.borrowing(1) { output throws(SystemError) in try output.duplicate().release() }
        case .file(let path), .json(let path): try FileDescriptor.open(path, [.writeOnly, .create, .append], mode: 0o640).release()
        case .stderr: 2
        }
    }

    func reopen() throws(SystemError) {
        switch form {
        case .file(Self.standardOutput), .json(Self.standardOutput): return
        case .file, .json: break
        case .syslog, .journal, .stderr: return
        }
        let fresh = try Self.openDescriptor(form)
        descriptor.withLock { old in
            _ = FileDescriptor(owning: old)
            old = fresh
        }
    }

    func write(_ severity: MailLog.Severity, tag: String, text: String, fields: LogFields = [:], label: String? = nil) {
        let text = LogLine.safe((label ?? severity.label) + text)
        switch form {
        case .stderr:
            append(Array("\(tag)[\(processID)]: \(text)\n".utf8))
        case .file:
            append(LogLine.file(timestamp: timestamp(), host: host, tag: tag, processID: processID, text: text))
        case .json:
            append(
                StructuredLine.json(
                    microseconds: clock(), host: host, tag: tag, processID: processID, severity: severity, text: text, fields: fields))
        case .syslog(let path):
            send(
                LogLine.syslog(
                    severity: severity.rawValue, facility: facility, timestamp: timestamp(), tag: tag, processID: processID, text: text),
                to: path)
        case .journal(let path):
            send(
                StructuredLine.journal(
                    severity: severity.rawValue, facility: facility, tag: tag, processID: processID, text: text, fields: fields), to: path)
        }
    }

    private func timestamp() -> String {
        let now = clock()
        return LogLine.timestamp(now, offset: SystemClock.localOffset(at: now / 1_000_000))
    }

    /// One write for one line: with O_APPEND, lines of different processes never mix.
    private func append(_ line: [UInt8]) {
        descriptor.withLock { fd in
            _ = try? RawDescriptor.write(line, to: fd)
        }
    }

    /// One datagram for one line; one attempt to connect anew, which fails harmlessly in a jail.
    private func send(_ line: [UInt8], to path: String) {
        descriptor.withLock { fd in
            if (try? Sockets.send(line, over: fd)) != nil { return }
            guard let fresh = try? Sockets.connectUnix(path: path, kind: .datagram) else { return }
            _ = FileDescriptor(owning: fd)
            fd = fresh.release()
            _ = try? Sockets.send(line, over: fd)
        }
    }
}

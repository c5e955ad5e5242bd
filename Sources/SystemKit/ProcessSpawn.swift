// Starting, reaping and signalling children. Never fork: posix_spawn with an explicit table of descriptors.
//
// Security: a child has exactly the descriptors, arguments and environment that are named here, an empty signal mask and default
// dispositions; nothing is searched in PATH and no shell is involved.

import CSystemKit
import Glibc

/// How a child ended.
public enum ProcessStatus: Hashable, Sendable {
    case exited(Int32)
    case killed(signal: Int32)

    public var isSuccess: Bool { self == .exited(0) }

    init(waitStatus: Int32) {
        self =
            csk_status_exited(waitStatus) != 0
            ? .exited(csk_status_exit_code(waitStatus)) : .killed(signal: csk_status_signal(waitStatus))
    }
}

/// Children of this process.
public enum ProcessSpawn {
    /// Which process group and session a child gets.
    public enum Grouping: Sendable { case inherited, ownGroup, ownSession }

    /// Starts a program and returns its process id.
    ///
    /// - Parameters:
    ///   - path: an absolute path; PATH is not searched.
    ///   - arguments: with the name of the program as the first one.
    ///   - environment: pairs of name and value; nil hands down the environment of this process.
    ///   - descriptors: what the child has open; everything else is closed. Sources and targets may overlap in any way.
    ///   - workingDirectory: nil keeps that of this process.
    public static func spawn(
        path: String, arguments: [String], environment: [(String, String)]?, descriptors: [(from: Int32, to: Int32)],
        workingDirectory: String? = nil, grouping: Grouping = .inherited
    ) throws(SystemError) -> Int32 {
        let texts = arguments + (environment ?? []).map { "\($0.0)=\($0.1)" }
        // A NUL would silently cut the text short in the child.
        guard !texts.contains(where: { $0.utf8.contains(0) }) else {
            throw SystemError(errno: EINVAL, operation: "spawn", object: path)
        }
        let moves = descriptors.map { csk_descriptor_move(from: $0.from, to: $0.to) }
        let result = withCStrings(texts) { pointers in
            let argumentVector = pointers.prefix(arguments.count) + [nil]
            let environmentVector = pointers.dropFirst(arguments.count) + [nil]
            return withOptionalCString(workingDirectory) { directory in
                var options = csk_spawn_options(
                    working_directory: directory, new_session: grouping == .ownSession ? 1 : 0, new_group: grouping == .ownGroup ? 1 : 0)
                return Array(argumentVector).withUnsafeBufferPointer { arguments in
                    Array(environmentVector).withUnsafeBufferPointer { ours in
                        let variables = environment == nil ? UnsafePointer(csk_environment()) : ours.baseAddress
                        return Int(csk_spawn(path, arguments.baseAddress, variables, moves, moves.count, &options))
                    }
                }
            }
        }
        return Int32(try checked(result, "spawn", path))
    }

    /// Takes one child that has ended; nil when none has. Call until nil: signals coalesce.
    public static func reap() -> (pid: Int32, status: ProcessStatus)? {
        var status: Int32 = 0
        let pid = systemCall { Int(waitpid(-1, &status, WNOHANG)) }
        return pid > 0 ? (Int32(pid), ProcessStatus(waitStatus: status)) : nil
    }

    /// Waits for one child.
    public static func wait(for pid: Int32) throws(SystemError) -> ProcessStatus {
        var status: Int32 = 0
        try checked(systemCall { Int(waitpid(pid, &status, 0)) }, "wait", "process \(pid)")
        return ProcessStatus(waitStatus: status)
    }

    /// The status of one child if it has ended; nil while it runs.
    public static func poll(_ pid: Int32) throws(SystemError) -> ProcessStatus? {
        var status: Int32 = 0
        let result = try checked(systemCall { Int(waitpid(pid, &status, WNOHANG)) }, "wait", "process \(pid)")
        return result == 0 ? nil : ProcessStatus(waitStatus: status)
    }

    /// Sends a signal to one process. A process id below 2 is refused: 0 and -1 mean many processes to kill(2).
    public static func kill(_ pid: Int32, _ signal: Signal) throws(SystemError) {
        guard pid > 1 else { throw SystemError(errno: EINVAL, operation: "kill", object: "process \(pid)") }
        try checked(systemCall { Int(Glibc.kill(pid, signal.rawValue)) }, "kill", "process \(pid)")
    }

    /// Sends a signal to the process group that a child started with `.ownGroup` or `.ownSession` leads.
    public static func killGroup(_ leader: Int32, _ signal: Signal) throws(SystemError) {
        guard leader > 1 else { throw SystemError(errno: EINVAL, operation: "kill", object: "process group \(leader)") }
        try checked(systemCall { Int(Glibc.kill(-leader, signal.rawValue)) }, "kill", "process group \(leader)")
    }

    /// Whether a process with this id exists, whoever owns it.
    public static func exists(_ pid: Int32) -> Bool {
        guard pid > 1 else { return false }
        let result = systemCall { Int(Glibc.kill(pid, 0)) }
        return result == 0 || result == -Int(EPERM)
    }

    public static var currentProcessID: Int32 { getpid() }
    public static var parentProcessID: Int32 { getppid() }

    /// A variable of this process's environment. Read it at start-up only: setenv(3) elsewhere is not synchronised with it.
    public static func environmentVariable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    /// Sets or (nil) removes a variable of this process's environment. Only while there is one thread.
    public static func setEnvironmentVariable(_ name: String, _ value: String?) {
        if let value { setenv(name, value, 1) } else { unsetenv(name) }
    }

    /// Leaves these variables in the environment of this process and no others. Only while there is one thread.
    public static func replaceEnvironment(_ variables: [(String, String)]) {
        clearenv()
        for (name, value) in variables { setenv(name, value, 1) }
    }

    /// Ends this process at once with flushed streams.
    public static func exit(_ status: Int32) -> Never { Glibc.exit(status) }

    private static func withOptionalCString<R>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> R) -> R {
        guard let text else { return body(nil) }
        return text.withCString(body)
    }

    /// The texts as C strings, valid during the call.
    private static func withCStrings<R>(_ texts: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> R) -> R {
        let copies = texts.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        return body(copies)
    }
}

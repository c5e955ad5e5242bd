// How a process that can open files no more notices that one of those it read has changed.
//
// Before its jail it keeps an O_PATH descriptor of each file, which gives no access to the content; afterwards fstat(2) says whether the file
// was replaced (no name is left), edited or touched. Security: nothing is opened again; whoever finds a change ends the process, and its
// successor reads the files anew.
// Known limits: a name that is made to point elsewhere while the old file keeps a name of its own (a symbolic link such as certbot's) is not
// seen. A file that could not be read at the start counts as changed after a minute, so that it is tried again.

import Synchronization

/// What tells that a file has changed.
public struct FileStamp: Hashable, Sendable {
    let inode: UInt64
    let device: UInt64
    public let size: Int64
    let modified: Int64

    public init(_ status: FileStatus) {
        inode = status.inode
        device = status.device
        size = status.size
        modified = status.modified
    }

    /// Whether the file with an earlier stamp was written to, in its place, within the last second before `now` (microseconds since 1970): who does it
    /// may not be done. Another file under the same name is there whole, as a rename brings it.
    public func mayBeUnfinished(since earlier: FileStamp, now: Int64) -> Bool {
        inode == earlier.inode && device == earlier.device && (0..<1_000_000).contains(now - modified)
    }

    /// The stamp of the file at a path now, or nil where it cannot be reached.
    public static func of(_ path: String) -> FileStamp? { (try? Files.status(of: path)).map(FileStamp.init) }
}

/// The files that a process has read.
public final class FileWatch: Sendable {
    /// The one of this process. It takes note of nothing before ``begin()``.
    public static let ofProcess = FileWatch()

    private struct Entry {
        var descriptor: Int32
        var stamp: FileStamp
    }
    private enum Phase { case idle, noting, sealed }
    private struct State {
        var phase = Phase.idle
        var entries: [String: Entry] = [:]
        /// The first change that was found, or is known without looking.
        var changed: String?
        var missing: String?
        var missingUntil: Int64 = .max
    }
    private let state = Mutex(State())

    /// How long a file that could not be read is not tried again, in microseconds.
    public static let pauseForMissing: Int64 = 60_000_000

    public init() {}

    /// From here on files are noted: the process is going to be jailed.
    public func begin() { state.withLock { $0.phase = .noting } }

    /// Whether files are to be opened now, because they cannot be later.
    public var isNoting: Bool { state.withLock { $0.phase == .noting } }

    /// From here on no file can be opened.
    public func seal() { state.withLock { $0.phase = .sealed } }

    /// Whether files can be opened no more.
    public var isSealed: Bool { state.withLock { $0.phase == .sealed } }

    /// Takes note of a file that was read.
    ///
    /// - Parameter stamp: that of the file which was read; where the path has another one by now, it has changed already. nil: the present one.
    public func add(_ path: String, _ stamp: FileStamp? = nil, now: Int64 = SystemClock.monotonic()) {
        state.withLock { state in
            guard state.phase == .noting, state.entries[path] == nil else { return }
            do throws(SystemError) {
                let file = try FileDescriptor.open(path, .attributesOnly)
                let found = FileStamp(try file.status())
                if let stamp, stamp != found { state.changed = path }
                state.entries[path] = Entry(descriptor: file.release(), stamp: found)
            } catch {
                if state.missing == nil { state.missingUntil = now + FileWatch.pauseForMissing }
                state.missing = path
            }
        }
    }

    /// Whether there is anything to look at.
    public var isEmpty: Bool { state.withLock { $0.entries.isEmpty && $0.missing == nil && $0.changed == nil } }

    /// The path of a file that is not what it was; nil where all are.
    public func change(now: Int64 = SystemClock.monotonic()) -> String? {
        state.withLock { state in
            guard state.phase == .sealed else { return nil }
            if let changed = state.changed { return changed }
            if let missing = state.missing, now >= state.missingUntil { return missing }
            for (path, entry) in state.entries where !FileWatch.isUnchanged(entry) {
                state.changed = path
                return path
            }
            return nil
        }
    }

    private static func isUnchanged(_ entry: Entry) -> Bool {
        let status = try? FileDescriptor.borrowing(entry.descriptor) { file throws(SystemError) in try file.status() }
        guard let status else { return false }
        return status.links > 0 && FileStamp(status) == entry.stamp
    }

    deinit { state.withLock { for entry in $0.entries.values { _ = FileDescriptor(owning: entry.descriptor) } } }
}

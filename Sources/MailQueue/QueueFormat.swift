// The version of a whole queue, in the file `format` of the queue directory: `Martlet queue 3`.
//
// Each queue file carries its own version; this one number says beforehand which versions may be met. A version of Martlet that writes
// a new form raises the number, durably, before it writes the first such file. So a program that is too old finds out at its start, before it
// has taken a message, moved a file or answered a client, and says so; the files are left as they are.
//
// The promise to administrators: a queue is read by the version that wrote it, by the next one and, until the number is raised, by the
// previous one. A queue without the file is one of version 1, which is what Martlet 0.1 left before there was the file. Version 3 has commit logs:
// a program that does not know them would pass over messages that were accepted.
// Security: the file belongs to whoever owns the queue directory. A text that is not understood is not overwritten: start is refused.

public import SystemKit

/// Why a queue is not to be touched.
public enum QueueFormatError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A newer Martlet wrote it.
    case newer(Int, path: String)
    /// An older Martlet wrote it, and this one does not read that form any more.
    case older(Int, path: String)
    /// The file does not say what it should.
    case notUnderstood(path: String)
    case system(SystemError)

    public var description: String {
        switch self {
        case .newer(let version, let path):
            "\(path): the queue has format \(version), of a newer version of Martlet; this one reads \(QueueFormat.oldest) to"
                + " \(QueueFormat.current): nothing was touched. Run the newer version until the queue is empty"
        case .older(let version, let path):
            "\(path): the queue has format \(version), of an old version of Martlet; this one reads \(QueueFormat.oldest) to"
                + " \(QueueFormat.current): nothing was touched. Run the old version until the queue is empty"
        case .notUnderstood(let path): "\(path): this is no queue format that Martlet knows: nothing was touched"
        case .system(let error): error.description
        }
    }
}

/// The version of a queue.
public enum QueueFormat {
    /// What this version of Martlet writes, and the oldest that it reads.
    public static let current = 3
    public static let oldest = 1
    /// The file below the queue directory.
    public static let fileName = "format"
    private static let prefix = Array("Martlet queue ".utf8)

    /// The version that the queue directory says; nil where it says none.
    public static func version(of queueDirectory: String) throws(QueueFormatError) -> Int? {
        let path = "\(queueDirectory)/\(fileName)"
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try FileDescriptor.open(path, [.readOnly, .noFollow]).readAll(limit: 256)
        } catch {
            if error.isNotFound { return nil }
            throw .system(error)
        }
        guard bytes.starts(with: prefix), bytes.last == UInt8(ascii: "\n") else { throw .notUnderstood(path: path) }
        let digits = bytes.dropFirst(prefix.count).dropLast()
        guard (1...6).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }) else { throw .notUnderstood(path: path) }
        return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }

    /// Refuses a queue that this version cannot read. Changes nothing.
    public static func check(_ queueDirectory: String) throws(QueueFormatError) {
        guard let version = try version(of: queueDirectory) else { return }
        let path = "\(queueDirectory)/\(fileName)"
        if version > current { throw .newer(version, path: path) }
        if version < oldest { throw .older(version, path: path) }
    }

    /// Says durably that files of this version may be here. Before the first of them is made.
    public static func mark(_ queueDirectory: String) throws(QueueFormatError) {
        try check(queueDirectory)
        guard try version(of: queueDirectory) != current else { return }
        do throws(SystemError) {
            let draft = "\(queueDirectory)/\(fileName).new"
            let file = try FileDescriptor.open(draft, [.writeOnly, .create, .truncate, .noFollow], mode: 0o644)
            try file.setMode(0o644)
            try file.writeAll(prefix + Array("\(current)\n".utf8))
            try file.synchronizeData()
            try Files.rename(draft, "\(queueDirectory)/\(fileName)")
            try Files.synchronizeDirectory(queueDirectory)
        } catch {
            throw .system(error)
        }
    }
}

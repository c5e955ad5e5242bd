// Tables that are read whole from a text file, and read again when the file changes: a second after the last change, where it is made in place.
//
// Known limits: the file is looked at once per lookup (one stat call). Where it can no longer be reached (a program that entered its jail
// after opening it, which FileWatch tells of a change; or a file that was removed) the table goes on with what it has; only a table that was
// never opened fails. A program that opens a table for the first time while somebody rewrites it in its place may read half of it, until the
// next lookup a second later; and a file that changes every second is not read again until it rests.

import Synchronization
import SystemKit

/// What a file or a parameter says, ready for lookups.
protocol TableContent: Sendable {
    func value(of key: [UInt8], table: String) throws(LookupError) -> [UInt8]?
}

/// A table with its content in a file.
final class FileTable<Content: TableContent>: LookupTable {
    /// How large a text table may be, in bytes.
    static var maximumSize: Int { 256 << 20 }

    let name: String
    let isPatternTable: Bool
    private let path: String
    private let parse: @Sendable ([UInt8]) throws(LookupError) -> Content
    private let opened = Mutex<(stamp: FileStamp, content: Content)?>(nil)

    init(path: String, name: String, isPatternTable: Bool, parse: @escaping @Sendable ([UInt8]) throws(LookupError) -> Content) {
        self.path = path
        self.name = name
        self.isPatternTable = isPatternTable
        self.parse = parse
    }

    func lookup(_ key: [UInt8]) throws(LookupError) -> [UInt8]? { try content().value(of: key, table: name) }

    func check() throws(LookupError) { _ = try content() }

    private func content() throws(LookupError) -> Content {
        let stamp = FileStamp.of(path)
        let current = opened.withLock { $0 }
        if let current {
            guard let stamp, stamp != current.stamp else { return current.content }
            // `cp` and many editors cut the file first: in half of an alias table half of the users are unknown.
            if stamp.mayBeUnfinished(since: current.stamp, now: SystemClock.now()) { return current.content }
        }
        let bytes: [UInt8]
        let readStamp: FileStamp
        do throws(SystemError) {
            let file = try FileDescriptor.open(path, .readOnly)
            readStamp = FileStamp(try file.status())
            bytes = try file.readAll(limit: Self.maximumSize)
        } catch {
            FileWatch.ofProcess.add(path)
            throw LookupError(table: name, reason: error.description, isFileMissing: error.isNotFound)
        }
        FileWatch.ofProcess.add(path, readStamp)
        let content = try parse(bytes)
        opened.withLock { $0 = (readStamp, content) }
        return content
    }
}

/// A table with its content in the parameter itself.
struct FixedTable<Content: TableContent>: LookupTable {
    let content: Content
    let name: String
    let isPatternTable: Bool

    func lookup(_ key: [UInt8]) throws(LookupError) -> [UInt8]? { try content.value(of: key, table: name) }
}

// Building the index of a table: read the source, write a new file beside it, make it durable, and put it in the old one's place.
//
// Security: the new file gets owner, group and read and write bits of its source. A reader sees the old table or the new one, never a part.
// Known limits: keys of lmdb tables are at most 510 bytes long. If the source has an error, the table is not built.

public import MailConfiguration
import MailModel
public import SystemKit

/// What a build did.
public struct TableBuildReport: Hashable, Sendable {
    public let path: String
    public let count: Int
    /// Duplicate keys.
    public let warnings: [ConfigurationProblem]
}

/// Builds index files.
public enum TableBuilder {
    /// How large a source may be, in bytes.
    public static let maximumSourceSize = 1 << 30

    /// Builds `SOURCE.lmdb` or `SOURCE.cdb`.
    ///
    /// - Throws: every error of the source with its line, or why the file cannot be written.
    public static func build(
        source path: String, format: TableSource.Format, type: IndexType = .lmdb
    ) throws(ConfigurationErrors) -> TableBuildReport {
        func problem(_ line: Int, _ text: String) -> ConfigurationProblem { ConfigurationProblem(file: path, line: line, text: text) }
        let bytes: [UInt8]
        let status: FileStatus
        do throws(SystemError) {
            let file = try FileDescriptor.open(path, .readOnly)
            status = try file.status()
            bytes = try file.readAll(limit: maximumSourceSize)
        } catch {
            throw ConfigurationErrors([problem(0, error.description)])
        }
        let source = TableSource(bytes, format: format)
        var errors = source.errors.map { problem($0.line, $0.text) }
        for entry in source.entries where entry.key.count > type.maximumKeyLength {
            errors.append(problem(entry.line, "the key is longer than \(type.maximumKeyLength) bytes"))
        }
        if !errors.isEmpty { throw ConfigurationErrors(errors.sorted { $0.line < $1.line }) }
        let target = try write(source.entries, source: path, like: status, type: type, sourceSize: bytes.count)
        return TableBuildReport(path: target, count: source.entries.count, warnings: source.warnings.map { problem($0.line, $0.text) })
    }

    /// Writes an index with these entries, of which each key comes once, in the place of the one that a source has.
    ///
    /// - Parameters:
    ///   - path: the source; it need not exist.
    ///   - status: owner and mode of the new index are those of this file.
    ///   - sourceSize: about how many bytes the entries have.
    /// - Returns: the path of the index.
    public static func write(
        _ entries: [TableSource.Entry], source path: String, like status: FileStatus, type: IndexType, sourceSize: Int
    ) throws(ConfigurationErrors) -> String {
        func failure(_ text: String) -> ConfigurationErrors {
            ConfigurationErrors([ConfigurationProblem(file: path, line: 0, text: text)])
        }
        let target = type.path(of: path)
        let temporary = "\(target).\(ProcessSpawn.currentProcessID).tmp"
        try? Files.unlink(temporary)
        if let reason = type.write(entries, to: temporary, sourceSize: sourceSize) {
            try? Files.unlink(temporary)
            throw failure("\(temporary): \(reason)")
        }
        do throws(SystemError) {
            try install(temporary, as: target, like: status)
        } catch {
            try? Files.unlink(temporary)
            throw failure(error.description)
        }
        return target
    }

    private static func install(_ temporary: String, as target: String, like source: FileStatus) throws(SystemError) {
        let file = try FileDescriptor.open(temporary, .readWrite)
        let own = try file.status()
        if own.owner != source.owner || own.group != source.group {
            // Only root can; for others the file stays their own, as with Postfix's postmap.
            try? file.setOwner(source.owner, group: source.group)
        }
        try file.setMode(source.mode & 0o666)
        try file.synchronize()
        try Files.rename(temporary, target)
        let slash = target.lastIndex(of: "/")
        try Files.synchronizeDirectory(slash.map { $0 == target.startIndex ? "/" : String(target[..<$0]) } ?? ".")
    }
}

// Building the index of a table: read the source, write a new LMDB file beside it, make it durable, and put it in the old one's place.
//
// Security: the new file gets owner, group and read and write bits of its source. A reader sees the old table or the new one, never a part.
// Known limits: keys are at most 510 bytes long. If the source has an error, the table is not built.

import CLMDB
public import MailConfiguration
import MailModel
import SystemKit

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
    static let maximumSourceSize = 1 << 30

    /// Builds `SOURCE.lmdb`.
    ///
    /// - Throws: every error of the source with its line, or why the file cannot be written.
    public static func build(source path: String, format: TableSource.Format) throws(ConfigurationErrors) -> TableBuildReport {
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
        for entry in source.entries where entry.key.count > IndexedTable.maximumKeyLength {
            errors.append(problem(entry.line, "the key is longer than \(IndexedTable.maximumKeyLength) bytes"))
        }
        if !errors.isEmpty { throw ConfigurationErrors(errors.sorted { $0.line < $1.line }) }
        let target = path + ".lmdb"
        let temporary = "\(target).\(ProcessSpawn.currentProcessID).tmp"
        try? Files.unlink(temporary)
        if let error = write(source.entries, to: temporary, sourceSize: bytes.count) {
            try? Files.unlink(temporary)
            throw ConfigurationErrors([problem(0, "\(temporary): \(error.description)")])
        }
        do throws(SystemError) {
            try install(temporary, as: target, like: status)
        } catch {
            try? Files.unlink(temporary)
            throw ConfigurationErrors([problem(0, error.description)])
        }
        return TableBuildReport(path: target, count: source.entries.count, warnings: source.warnings.map { problem($0.line, $0.text) })
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

    /// Writes all entries in one transaction, with more room where it did not suffice.
    private static func write(_ entries: [TableSource.Entry], to path: String, sourceSize: Int) -> LMDBError? {
        var mapSize = max(1 << 20, sourceSize * 4)
        while true {
            do throws(LMDBError) {
                try write(entries, to: path, mapSize: mapSize)
                return nil
            } catch {
                guard error.code == MDB_MAP_FULL, mapSize < 1 << 40 else { return error }
                try? Files.unlink(path)
                mapSize *= 4
            }
        }
    }

    private static func write(_ entries: [TableSource.Entry], to path: String, mapSize: Int) throws(LMDBError) {
        var created: OpaquePointer?
        try LMDBError.check(mdb_env_create(&created))
        guard let environment = created else { throw LMDBError(MDB_PANIC) }
        defer { mdb_env_close(environment) }
        try LMDBError.check(mdb_env_set_mapsize(environment, mapSize))
        try LMDBError.check(mdb_env_open(environment, path, UInt32(MDB_NOSUBDIR | MDB_NOLOCK), 0o600))
        var begun: OpaquePointer?
        try LMDBError.check(mdb_txn_begin(environment, nil, 0, &begun))
        guard let transaction = begun else { throw LMDBError(MDB_PANIC) }
        do throws(LMDBError) {
            var database: MDB_dbi = 0
            try LMDBError.check(mdb_dbi_open(transaction, nil, UInt32(MDB_CREATE), &database))
            for entry in entries { try put(entry.key + [0], entry.value + [0], transaction, database) }
        } catch {
            mdb_txn_abort(transaction)
            throw error
        }
        try LMDBError.check(mdb_txn_commit(transaction))
        try LMDBError.check(mdb_env_sync(environment, 1))
    }

    private static func put(_ key: [UInt8], _ value: [UInt8], _ transaction: OpaquePointer, _ database: MDB_dbi) throws(LMDBError) {
        var key = key
        var value = value
        let keyCount = key.count
        let valueCount = value.count
        let status = key.withUnsafeMutableBytes { keyBytes in
            value.withUnsafeMutableBytes { valueBytes in
                var keyValue = MDB_val(mv_size: keyCount, mv_data: keyBytes.baseAddress)
                var dataValue = MDB_val(mv_size: valueCount, mv_data: valueBytes.baseAddress)
                return mdb_put(transaction, database, &keyValue, &dataValue, 0)
            }
        }
        try LMDBError.check(status)
    }
}

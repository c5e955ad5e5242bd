// The two forms of an index file: LMDB and the constant database. Each writer makes a whole new file.

import CCDB
import CLMDB
import SystemKit

/// The type of an index file.
public enum IndexType: String, Hashable, Sendable, CaseIterable {
    case lmdb
    case cdb

    /// The name of the index of a source.
    public func path(of source: String) -> String { "\(source).\(rawValue)" }

    /// How long a key may be.
    public var maximumKeyLength: Int { self == .lmdb ? IndexedTable.maximumKeyLength : 1 << 20 }

    /// Writes all entries into a new file; returns why that failed.
    func write(_ entries: [TableSource.Entry], to path: String, sourceSize: Int) -> String? {
        switch self {
        case .lmdb: LMDBWriter.write(entries, to: path, sourceSize: sourceSize)?.description
        case .cdb: CDBWriter.write(entries, to: path)
        }
    }
}

private enum CDBWriter {
    static func write(_ entries: [TableSource.Entry], to path: String) -> String? {
        do throws(SystemError) {
            let file = try FileDescriptor.open(path, [.readWrite, .create, .exclusive], mode: 0o600)
            var maker = cdb_make()
            guard cdb_make_start(&maker, file.rawValue) == 0 else { return "cannot begin the database" }
            var isWritten = true
            for entry in entries where isWritten {
                isWritten =
                    entry.key.withUnsafeBytes { key in
                        entry.value.withUnsafeBytes { value in
                            cdb_make_add(&maker, key.baseAddress, UInt32(key.count), value.baseAddress, UInt32(value.count))
                        }
                    } == 0
            }
            // Also after a failure: it frees what was gathered.
            let isFinished = cdb_make_finish(&maker) == 0
            return isWritten && isFinished ? nil : "cannot write the database (no space, or more than 4 GB)"
        } catch {
            return "\(error)"
        }
    }
}

private enum LMDBWriter {
    /// Writes all entries in one transaction, with more room where it did not suffice.
    static func write(_ entries: [TableSource.Entry], to path: String, sourceSize: Int) -> LMDBError? {
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

// All entries of an index file, in the file's own order: for `postmap -s`, and for changes of one entry, which make a whole new file.
//
// Security: the file belongs to the administrator. LMDB's length is held against its directory of pages, because reading a truncated one
// would end the process; the constant database checks its positions itself.
// Known limits: all entries are in memory at once.

import CCDB
import CLMDB
import SystemKit

/// Reads index files whole.
public enum IndexContents {
    /// The entries, without the NUL that ends keys and values in LMDB files; their line is 0.
    public static func entries(of path: String, type: IndexType) throws(LookupError) -> [TableSource.Entry] {
        do throws(IndexError) {
            return switch type {
            case .lmdb: try lmdb(path)
            case .cdb: try cdb(path)
            }
        } catch {
            throw LookupError(table: "\(type.rawValue):\(path)", reason: error.reason)
        }
    }

    private struct IndexError: Error { let reason: String }

    private static func entry(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> TableSource.Entry {
        func plain(_ bytes: UnsafeRawBufferPointer) -> [UInt8] { Array(bytes.last == 0 ? bytes.dropLast() : bytes[...]) }
        return TableSource.Entry(line: 0, key: plain(key), value: plain(value))
    }

    private static func lmdb(_ path: String) throws(IndexError) -> [TableSource.Entry] {
        func check(_ status: Int32) throws(IndexError) {
            if status != 0 { throw IndexError(reason: "\(path): \(LMDBError(status).description)") }
        }
        var created: OpaquePointer?
        try check(mdb_env_create(&created))
        guard let environment = created else { throw IndexError(reason: "out of memory") }
        defer { mdb_env_close(environment) }
        try check(mdb_env_open(environment, path, UInt32(MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK), 0o600))
        var info = MDB_envinfo()
        var statistics = MDB_stat()
        try check(mdb_env_info(environment, &info))
        try check(mdb_env_stat(environment, &statistics))
        let size: Int64
        do throws(SystemError) { size = try Files.status(of: path).size } catch { throw IndexError(reason: error.description) }
        if (info.me_last_pgno + 1).multipliedReportingOverflow(by: Int(statistics.ms_psize)).partialValue > Int(clamping: size) {
            try check(MDB_CORRUPTED)
        }
        var begun: OpaquePointer?
        try check(mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &begun))
        defer { mdb_txn_abort(begun) }
        var database: MDB_dbi = 0
        try check(mdb_dbi_open(begun, nil, 0, &database))
        var opened: OpaquePointer?
        try check(mdb_cursor_open(begun, database, &opened))
        guard let cursor = opened else { throw IndexError(reason: "out of memory") }
        defer { mdb_cursor_close(cursor) }
        var entries: [TableSource.Entry] = []
        var key = MDB_val()
        var value = MDB_val()
        var status = mdb_cursor_get(cursor, &key, &value, MDB_FIRST)
        while status == 0 {
            entries.append(
                entry(
                    UnsafeRawBufferPointer(start: key.mv_data, count: key.mv_size),
                    UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size)))
            status = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)
        }
        if status != MDB_NOTFOUND { try check(status) }
        return entries
    }

    private static func cdb(_ path: String) throws(IndexError) -> [TableSource.Entry] {
        let file: FileDescriptor
        do throws(SystemError) {
            file = try FileDescriptor.open(path, .readOnly)
        } catch {
            throw IndexError(reason: error.description)
        }
        var database = CCDB.cdb()
        guard cdb_init(&database, file.rawValue) == 0 else { throw IndexError(reason: "\(path): not a constant database") }
        defer { cdb_free(&database) }
        var position: UInt32 = 2048
        var entries: [TableSource.Entry] = []
        while true {
            let status = cdb_seqnext(&position, &database)
            if status == 0 { return entries }
            guard status > 0, let key = cdb_get(&database, database.cdb_klen, database.cdb_kpos),
                let value = cdb_get(&database, database.cdb_vlen, database.cdb_vpos)
            else { throw IndexError(reason: "\(path): the file is damaged") }
            entries.append(
                entry(
                    UnsafeRawBufferPointer(start: key, count: Int(database.cdb_klen)),
                    UnsafeRawBufferPointer(start: value, count: Int(database.cdb_vlen))))
        }
    }
}

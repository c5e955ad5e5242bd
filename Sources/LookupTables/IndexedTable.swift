// lmdb (also named hash and btree): a table in an LMDB file that `martlet map build` makes from its source.
//
// Security: the file is opened read-only and without a lock file: it is never changed in place, a rebuilt table is a new file of the same
// name. A file that is shorter than its own directory of pages says is refused, because reading it would end the process.
// Known limits: a table that another program changes in place (Postfix's postmap) is seen anew when its time stamp changes.

import CLMDB
import MailModel
import Synchronization
import SystemKit

/// A read-only LMDB environment with its one database and a transaction that stays open; closed with its owner.
private struct OpenIndex: ~Copyable {
    let environment: OpaquePointer
    let transaction: OpaquePointer
    let database: MDB_dbi
    let stamp: FileStamp

    deinit {
        mdb_txn_abort(transaction)
        mdb_env_close(environment)
    }

    /// The value of a key exactly as given, or nil.
    func value(_ key: [UInt8]) -> Result<[UInt8]?, LMDBError> {
        var key = key
        let count = key.count
        return key.withUnsafeMutableBytes { bytes in
            var keyValue = MDB_val(mv_size: count, mv_data: bytes.baseAddress)
            var found = MDB_val()
            let status = mdb_get(transaction, database, &keyValue, &found)
            if status == MDB_NOTFOUND { return .success(nil) }
            if status != 0 { return .failure(LMDBError(status)) }
            return .success(Array(UnsafeRawBufferPointer(start: found.mv_data, count: found.mv_size)))
        }
    }
}

/// An error of the LMDB library.
struct LMDBError: Error, CustomStringConvertible {
    let description: String
    let code: Int32

    init(_ code: Int32) {
        self.code = code
        description = String(cString: mdb_strerror(code))
    }

    static func check(_ status: Int32) throws(LMDBError) { if status != 0 { throw LMDBError(status) } }
}

/// The index of a table.
final class IndexedTable: LookupTable {
    /// LMDB's limit, less the NUL that Postfix's tables end their keys with.
    static let maximumKeyLength = 510

    let name: String
    private let path: String
    private let opened = Mutex(Slot())

    private struct Slot: ~Copyable {
        var index: OpenIndex?
    }

    init(path: String, name: String) {
        self.path = path
        self.name = name
    }

    func lookup(_ key: [UInt8]) throws(LookupError) -> [UInt8]? {
        if key.count > Self.maximumKeyLength { return nil }
        let stamp = FileStamp.of(path)
        let key = key.map(ASCII.lowercased)
        let result: Result<[UInt8]?, LookupError> = opened.withLock { slot in
            do throws(LookupError) {
                return .success(try find(key, stamp: stamp, slot: &slot))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func find(_ key: [UInt8], stamp: FileStamp?, slot: inout Slot) throws(LookupError) -> [UInt8]? {
        // A file that can no longer be reached (the program entered its jail) leaves what is open in use.
        if slot.index == nil || (stamp != nil && stamp != slot.index?.stamp) {
            slot.index = nil
            slot.index = try open(stamp)
        }
        // Postfix writes keys and values with a NUL at the end by default, and looks for both.
        for candidate in [key + [0], key] where !candidate.isEmpty {
            switch slot.index?.value(candidate) {
            case .success(let value?): return value.last == 0 ? value.dropLast() : value
            case .success(nil), nil: continue
            case .failure(let error): throw LookupError(table: name, reason: "\(path): \(error.description)")
            }
        }
        return nil
    }

    /// Why there is no file, or none for this program.
    private func unreachable() -> LookupError {
        do throws(SystemError) { _ = try Files.status(of: path) } catch {
            if !error.isNotFound { return LookupError(table: name, reason: "open \(path): \(error.reason)") }
        }
        return LookupError(
            table: name, reason: "open \(path): No such file or directory (martlet map build makes it)", isFileMissing: true)
    }

    private func open(_ stamp: FileStamp?) throws(LookupError) -> OpenIndex {
        func failure(_ reason: String) -> LookupError { LookupError(table: name, reason: "open \(path): \(reason)") }
        FileWatch.ofProcess.add(path, stamp)
        guard let stamp else { throw unreachable() }
        var created: OpaquePointer?
        guard mdb_env_create(&created) == 0, let environment = created else { throw failure("out of memory") }
        var begun: OpaquePointer?
        do throws(LMDBError) {
            try LMDBError.check(mdb_env_open(environment, path, UInt32(MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK), 0o600))
            var info = MDB_envinfo()
            var statistics = MDB_stat()
            try LMDBError.check(mdb_env_info(environment, &info))
            try LMDBError.check(mdb_env_stat(environment, &statistics))
            let (size, overflow) = info.me_last_pgno.addingReportingOverflow(1).partialValue
                .multipliedReportingOverflow(by: Int(statistics.ms_psize))
            if overflow || size > Int(clamping: stamp.size) { throw LMDBError(MDB_CORRUPTED) }
            try LMDBError.check(mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &begun))
            var database: MDB_dbi = 0
            try LMDBError.check(mdb_dbi_open(begun, nil, 0, &database))
            guard let transaction = begun else { throw LMDBError(MDB_PANIC) }
            return OpenIndex(environment: environment, transaction: transaction, database: database, stamp: stamp)
        } catch {
            if let begun { mdb_txn_abort(begun) }
            mdb_env_close(environment)
            throw failure(error.description)
        }
    }
}

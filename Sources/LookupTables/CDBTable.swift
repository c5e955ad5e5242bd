// cdb: a table in a constant database (cr.yp.to/cdb.html) that `martlet map build`, Postfix's postmap or another tool made.
//
// Security: the file is mapped read-only; the library checks every position in it against its size, so that a truncated or forged file gives
// an error and never a read beyond its end. A rebuilt table is a new file of the same name; the old one stays mapped until then.
// Known limits: at most 4 GB, by the format.

import CCDB
import MailModel
import Synchronization
import SystemKit

/// An open constant database; unmapped with its owner.
private struct OpenDatabase: ~Copyable {
    private var database: cdb
    private let file: FileDescriptor
    let stamp: FileStamp

    init(_ path: String) throws(SystemError) {
        let opened = try FileDescriptor.open(path, .readOnly)
        let status = try opened.status()
        var made = cdb()
        guard cdb_init(&made, opened.rawValue) == 0 else {
            // What cannot be mapped is too short to be a database, or the memory is not there.
            throw SystemError(errno: 71, operation: "map", object: path)
        }
        database = made
        file = opened
        stamp = FileStamp(status)
    }

    deinit {
        var database = database
        cdb_free(&database)
    }

    /// The value of a key exactly as given; nil where there is none, a failure where the file is damaged.
    mutating func value(_ key: [UInt8]) -> Result<[UInt8]?, DamagedDatabase> {
        let found = key.withUnsafeBytes { cdb_find(&database, $0.baseAddress, UInt32($0.count)) }
        guard found != 0 else { return .success(nil) }
        let length = database.cdb_vlen
        guard found > 0, let bytes = cdb_get(&database, length, database.cdb_vpos) else { return .failure(DamagedDatabase()) }
        return .success(Array(UnsafeRawBufferPointer(start: bytes, count: Int(length))))
    }
}

private struct DamagedDatabase: Error {}

/// The table.
final class CDBTable: LookupTable {
    let name: String
    private let path: String
    private let opened = Mutex(Slot())

    private struct Slot: ~Copyable {
        var database: OpenDatabase?
    }

    init(path: String, name: String) {
        self.path = path
        self.name = name
    }

    func lookup(_ key: [UInt8]) throws(LookupError) -> [UInt8]? {
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
        if slot.database == nil || (stamp != nil && stamp != slot.database?.stamp) {
            slot.database = nil
            do throws(SystemError) {
                slot.database = try OpenDatabase(path)
                FileWatch.ofProcess.add(path, slot.database?.stamp)
            } catch {
                FileWatch.ofProcess.add(path)
                let hint = error.isNotFound ? " (martlet map build makes it)" : ""
                throw LookupError(table: name, reason: "\(error)\(hint)", isFileMissing: error.isNotFound)
            }
        }
        // Other tools may end keys and values with a NUL.
        for candidate in [key, key + [0]] where !candidate.isEmpty {
            switch slot.database?.value(candidate) {
            case .success(let value?): return value.last == 0 ? value.dropLast() : value
            case .success(nil), nil: continue
            case .failure: throw LookupError(table: name, reason: "\(path) is damaged")
            }
        }
        return nil
    }
}

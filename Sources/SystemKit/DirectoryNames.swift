// The names in a directory, a bounded number at a time: for a listing of a million files whose reader may be slow, or stop.
//
// A reader that is given up costs a descriptor while it lives, and no names. Names that come or go meanwhile are seen or not.

import CSystemKit
import Glibc

/// A directory that is read piece by piece. The position is the descriptor's, so one reader at a time.
public final class DirectoryNames: Sendable {
    private let descriptor: Int32
    private let path: String

    public init(_ path: String) throws(SystemError) {
        self.path = path
        descriptor = try FileDescriptor.open(path, [.readOnly, .directory]).release()
    }

    deinit { _ = FileDescriptor(owning: descriptor) }

    /// Some more names without `.` and `..`, in the order of the file system: at least `count` of them while there are any; empty at the
    /// end. A name that is not UTF-8 is left out.
    public func next(_ count: Int) throws(SystemError) -> [String] {
        var names: [String] = []
        while names.count < count {
            var size = 0
            let records = [UInt8](unsafeUninitializedCapacity: 32 << 10) { buffer, initialized in
                size = systemCall { Int(csk_directory_records(descriptor, buffer.baseAddress, buffer.count)) }
                initialized = max(size, 0)
            }
            try checked(size, "getdents", path)
            if records.isEmpty { break }
            DirectoryNames.append(records, to: &names)
        }
        return names
    }

    /// struct linux_dirent64 of getdents64(2): inode (8), offset (8), length of the record (2), type (1), name with its NUL.
    private static func append(_ records: [UInt8], to names: inout [String]) {
        var start = 0
        while start + 19 < records.count {
            let length = Int(records[start + 16]) | Int(records[start + 17]) << 8
            guard length > 19, start + length <= records.count else { return }
            let name = records[(start + 19)..<(start + length)].prefix { $0 != 0 }
            start += length
            if name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8) { continue }
            if let text = String(validating: name, as: UTF8.self) { names.append(text) }
        }
    }
}

// Many files made durable together.

import CSystemKit

/// fdatasync(2) for several files at the same time, so that the disk flushes its cache once for all of them.
public enum Durability {
    /// Waits until the content of each file, and what is needed to find it, is on stable storage. Blocks; starts no thread.
    ///
    /// - Returns: for each descriptor nil, or why its file may not be durable.
    public static func synchronizeData(_ descriptors: [Int32]) -> [SystemError?] {
        var codes = [Int32](repeating: 0, count: descriptors.count)
        if csk_fdatasync_all(descriptors, descriptors.count, &codes) == 0 {
            return zip(codes, descriptors).map { code, descriptor in
                code == 0 ? nil : SystemError(errno: code, operation: "fdatasync", object: "descriptor \(descriptor)")
            }
        }
        if descriptors.count > 1 {
            for descriptor in descriptors {
                // Only a hint to begin: an error shows again at fdatasync.
                try? FileDescriptor.borrowing(descriptor) { open throws(SystemError) in try open.startWriteback() }
            }
        }
        var results: [SystemError?] = []
        for descriptor in descriptors {
            do {
                try FileDescriptor.borrowing(descriptor) { open throws(SystemError) in try open.synchronizeData() }
                results.append(nil)
            } catch {
                results.append(error)
            }
        }
        return results
    }
}

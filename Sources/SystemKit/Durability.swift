// Many files made durable together.
//
// Known limits: one round at a time in a thread; the thread that starts it ends it.

import CSystemKit

/// Syncs of several files at the same time, so that the disk flushes its cache once for all of them.
public enum Durability {
    /// fdatasync(2): waits until the content of each file, and what is needed to find it, is on stable storage. Starts no thread.
    ///
    /// - Returns: for each descriptor nil, or why its file may not be durable.
    public static func synchronizeData(_ descriptors: [Int32]) -> [SystemError?] {
        if descriptors.count == 1 {
            do {
                try FileDescriptor.borrowing(descriptors[0]) { open throws(SystemError) in try open.synchronizeData() }
                return [nil]
            } catch {
                return [error]
            }
        }
        var results: [SystemError?] = []
        while results.count < descriptors.count {
            let part = descriptors[results.count..<min(results.count + Round.limit, descriptors.count)]
            results += Round(data: Array(part)).results()
        }
        return results
    }

    /// Syncs that the kernel does while the caller does something else.
    public final class Round {
        /// What goes beyond is synced before the round begins, one by one.
        public static let limit = Int(CSK_SYNC_LIMIT)

        private let descriptors: [Int32]
        private let dataCount: Int
        /// The kernel's results; in one place until they are in.
        private let codes: UnsafeMutablePointer<Int32>
        private var isUnderWay: Bool

        /// Starts fdatasync(2) of files and fsync(2) of directories. All must stay open until the results are there.
        ///
        /// - Parameter event: becomes readable when some of it is done (``Event``).
        public init(data: [Int32], directories: [Int32] = [], event: Event? = nil) {
            descriptors = data + directories
            dataCount = data.count
            codes = .allocate(capacity: max(descriptors.count, 1))
            codes.initialize(repeating: 0, count: max(descriptors.count, 1))
            isUnderWay = csk_sync_start(descriptors, dataCount, descriptors.count, event?.descriptor ?? -1, codes) > 0
        }

        deinit {
            if isUnderWay { csk_sync_collect(codes) }
            codes.deallocate()
        }

        /// Whether nothing is left to wait for.
        public var isOver: Bool { !isUnderWay }

        /// Waits for the end of the round.
        ///
        /// - Returns: for each file, then for each directory, nil, or why it may not be durable.
        public func results() -> [SystemError?] {
            if isUnderWay { csk_sync_collect(codes) }
            isUnderWay = false
            return descriptors.indices.map { index in
                guard codes[index] != 0 else { return nil }
                let operation = index < dataCount ? "fdatasync" : "fsync"
                return SystemError(errno: codes[index], operation: operation, object: "descriptor \(descriptors[index])")
            }
        }
    }

    /// Tells a program that waits for several descriptors that something of a round is done: eventfd(2).
    public final class Event {
        private let file: FileDescriptor
        /// Readable from then on.
        public var descriptor: Int32 { file.rawValue }

        public init() throws(SystemError) { file = FileDescriptor(owning: Int32(try checked(Int(csk_event()), "eventfd", ""))) }

        /// It becomes readable again when more is done.
        public func clear() { _ = try? file.read(upTo: 8) }
    }
}

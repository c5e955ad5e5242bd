// The name of this machine.

import Glibc

/// The name that the kernel has for this machine.
public enum HostName {
    /// gethostname(2); `localhost` when it cannot be had.
    public static var current: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0, let end = name.firstIndex(of: 0), end > 0 else { return "localhost" }
        return String(decoding: name[..<end].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

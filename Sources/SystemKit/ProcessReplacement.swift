// Replacing this program by another in the same process: the last step of a helper that has become another user for good.
//
// Security: nothing is searched in PATH. Descriptors other than 0 to 2 are close-on-exec everywhere in this package.

import CSystemKit
import Glibc

extension ProcessSpawn {
    /// Executes a program in place of this one; returns only by throwing.
    ///
    /// - Parameters:
    ///   - path: an absolute path.
    ///   - arguments: with the name of the program as the first one.
    public static func replace(path: String, arguments: [String]) throws(SystemError) -> Never {
        guard !arguments.contains(where: { $0.utf8.contains(0) }) else {
            throw SystemError(errno: EINVAL, operation: "execute", object: path)
        }
        // Dispositions that are ignored survive execve(2), and so does the signal mask.
        signal(SIGPIPE, SIG_DFL)
        signal(SIGXFSZ, SIG_DFL)
        var none = sigset_t()
        sigemptyset(&none)
        sigprocmask(SIG_SETMASK, &none, nil)
        let copies = arguments.map { strdup($0) } + [nil]
        let code = systemCall { Int(execv(path, copies)) }
        for copy in copies { free(copy) }
        throw SystemError(errno: Int32(truncatingIfNeeded: -code), operation: "execute", object: path)
    }
}

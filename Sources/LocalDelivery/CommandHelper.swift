// The helper through which root's `local` runs a command: it becomes the user for good, proves it, and turns into the command.
//
// Security: a temporary change of identity would let the command become root again (its real user id would still be 0), so the change is
// made in a process of its own, before the command starts. `local` calls its own program with arguments that no service is started with.

import SystemKit

/// `local --as USER GROUP GROUPS DIRECTORY -- PATH ARGUMENTS...`
public enum CommandHelper {
    static let flag = "--as"

    /// The arguments for this helper.
    static func arguments(_ identity: DeliveryIdentity, directory: String, command: [String]) -> [String] {
        let groups = identity.supplementary.map(String.init).joined(separator: ",")
        return ["local", flag, String(identity.user), String(identity.group), groups, directory, "--"] + command
    }

    /// Whether this process was started as the helper.
    public static var isWanted: Bool { CommandLine.arguments.count > 1 && CommandLine.arguments[1] == flag }

    /// Becomes the command; ends with EX_TEMPFAIL where that is impossible, so that the delivery is tried again.
    public static func main() -> Never {
        let words = CommandLine.arguments
        guard words.count > 7, words[6] == "--", let user = UInt32(words[2]), let group = UInt32(words[3]) else { exit("bad arguments") }
        let supplementary = words[4].split(separator: ",").compactMap { UInt32($0) }
        do throws(SystemError) {
            // Whoever is not root may only run the command as what he is.
            if Privileges.isRoot { try Privileges.become(user: user, group: group, supplementary: supplementary) }
            _ = Files.setCreationMask(0o077)
            enter(words[5])
            try ProcessSpawn.replace(path: words[7], arguments: Array(words[7...]))
        } catch {
            exit("\(error)")
        }
    }

    /// A home that is not there is no reason not to run the command (Postfix exec_command.c runs it in the queue directory then).
    private static func enter(_ directory: String) {
        do throws(SystemError) {
            try Files.changeDirectory(to: directory)
        } catch {
            try? Files.changeDirectory(to: "/")
        }
    }

    private static func exit(_ reason: String) -> Never {
        // What is written here becomes the reason in the log.
        try? FileDescriptor.borrowing(2) { error throws(SystemError) in
            try error.writeAll(Array("cannot run the command: \(reason)\n".utf8))
        }
        ProcessSpawn.exit(75)
    }
}

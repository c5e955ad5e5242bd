// pickup(8): takes local submissions from `maildrop` to cleanup.

import MailConfiguration
import MailIPC
import MailModel
import MailQueue
import ServiceKit

/// The program.
public enum PickupProgram {
    public static func main() -> Never {
        Daemon.run("pickup", listening: .programs) { context in
            QueueDirectories(root: context.queueDirectory)
        } start: { context, directories, _ in
            let cleanup = IPCClient(
                path: context.socket(context.configuration[Parameters.cleanupServiceName], isPrivate: false), protocol: .cleanup)
            let limit = context.configuration[Parameters.messageSizeLimit]
            let service = PickupService(
                directories: directories, cleanup: cleanup, log: context.log, maximumContent: limit > 0 ? UInt64(limit) : UInt64.max,
                hostName: context.configuration[Parameters.myhostname])
            service.begin()
            return service
        }
    }
}

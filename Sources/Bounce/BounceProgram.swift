// The program bounce: the skeleton of ServiceKit around BounceService.

import MailConfiguration
import MailIPC
import MailLog
import NIOCore
import ServiceKit

/// The program.
public enum BounceProgram {
    public static func main() -> Never {
        Daemon.run("bounce", listening: .programs) { context in
            BounceSettings(context.configuration, queueDirectory: context.queueDirectory, warn: { context.log.warning($0) })
        } start: { context, settings, _ in
            let cleanup = context.socket(context.configuration[Parameters.cleanupServiceName], isPrivate: false)
            let patience = TimeAmount.seconds(Int64(context.configuration[Parameters.ipcTimeout]))
            let service = BounceService(settings: settings, log: context.log, poster: CleanupPoster(path: cleanup, timeout: patience))
            ServiceActor.start { await service.sweep() }
            return IPCService(protocol: .bounce, capacity: 1000, log: context.log, serve: { await service.serve($0) })
        }
    }
}

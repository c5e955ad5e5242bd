import Bounce
import Cleanup
import LocalDelivery
import Master
import Pickup
import QueueManager
import Resolver
import SMTPClient
import SMTPServer
import ServiceKit

// The daemons in one program, which is whichever of them its name says: in a package each name is a link to it.
switch CommandLine.arguments.first?.split(separator: "/").last {
case "master": MasterProgram.main()
case "smtpd": SMTPServerProgram.main()
case "cleanup": CleanupProgram.main()
case "qmgr": Daemon.run("qmgr", listening: .programs, preJail: QueueManagerService.prepare, start: QueueManagerService.start)
case "smtp", "lmtp": SMTPClientProgram.main()
case "local": LocalProgram.main()
case "bounce": BounceProgram.main()
case "pickup": PickupProgram.main()
case "resolver": ResolverProgram.main()
default: fatalError("this program goes by the names of Martlet's daemons")
}

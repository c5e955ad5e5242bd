// qmgr: the queue manager. What goes where, when, and how many at a time.

import QueueManager
import ServiceKit

Daemon.run("qmgr", listening: .programs, preJail: QueueManagerService.prepare, start: QueueManagerService.start)

// local(8): the delivery agent of this host. One thread; the requests that are there are done in one go
// (RequestBatch); master starts more processes for more of them.
//
// It keeps root's rights because it becomes the recipient for each delivery. It reads a request from qmgr and the message through a passed
// descriptor, opens no queue file by name, and never talks to a network.

import MailConfiguration
import MailIPC
import MailLog
import MailModel
import ServiceKit
import SystemKit

/// The program.
public enum LocalProgram {
    public static func main() -> Never {
        if CommandHelper.isWanted { CommandHelper.main() }
        SignalWait.ignoreRefusedWrites()
        SignalWait.block([.terminate, .interrupt, .hangUp, .child])
        let context = ServiceContext.start(program: "local", arguments: Array(CommandLine.arguments.dropFirst()))
        // Mailboxes are made with modes of their own; nothing else is for other users' eyes.
        _ = Files.setCreationMask(0o077)
        do {
            let agent = try LocalAgent(context)
            context.endIfOnlyChecking()
            try LocalServer(context, agent: agent).run()
        } catch {
            context.log.fatal("\(error)")
            ProcessSpawn.exit(1)
        }
    }
}

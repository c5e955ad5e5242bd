// pickup(8): takes local submissions from `maildrop` to cleanup.

import InternetMessage
import MailConfiguration
import MailIPC
import MailLog
import MailModel
import MailQueue
import ServiceKit
import SystemKit

/// The program.
public enum PickupProgram {
    public static func main() -> Never {
        Daemon.run("pickup", listening: .programs) { context in
            let configuration = context.configuration
            let (exempt, unknown) = try SubmissionRate.users(configuration[Parameters.localSubmissionRateExemptUsers])
            for word in unknown { context.log.warning("local_submission_rate_exempt_users: there is no user \(word)") }
            return SubmissionRate(
                limit: configuration[Parameters.localSubmissionRateLimit],
                window: Int64(configuration[Parameters.localSubmissionRateTimeUnit]) * 1_000_000, exempt: exempt)
        } start: { context, rate, _ in
            let configuration = context.configuration
            let directories = QueueDirectories(root: context.queueDirectory)
            let cleanup = IPCClient(
                path: context.socket(configuration[Parameters.cleanupServiceName], isPrivate: false), protocol: .cleanup)
            let limit = configuration[Parameters.messageSizeLimit]
            let submission = MaildropSubmission(
                directories: directories, cleanup: cleanup, log: context.log, maximumContent: limit > 0 ? UInt64(limit) : UInt64.max,
                hostName: configuration[Parameters.myhostname],
                completion: AddressCompletion(
                    origin: configuration[Parameters.appendAtMyorigin] ? configuration[Parameters.myorigin] : "",
                    domain: configuration[Parameters.appendDotMydomain] ? configuration[Parameters.mydomain] : ""),
                rate: rate)
            let service = PickupService(directories: directories, log: context.log, submission: submission)
            service.begin()
            return service
        }
    }
}

// The parameters of main.cf that bounce works with, read once.

import DeliveryStatus
import MailConfiguration
import MailModel
import MailQueue
import ServiceKit
import SystemKit

struct BounceSettings: Sendable {
    var directories: QueueDirectories
    var policy: NoticePolicy
    /// `bounce_size_limit`.
    var sizeLimit: Int
    var hostName: String
    var mailName: String
    var origin: String

    init(_ configuration: Configuration, queueDirectory: String) {
        directories = QueueDirectories(root: queueDirectory)
        sizeLimit = configuration[Parameters.bounceSizeLimit]
        hostName = configuration[Parameters.myhostname]
        mailName = configuration[Parameters.mailName]
        origin = configuration[Parameters.myorigin]
        let domain = Array(origin.utf8)
        func completed(_ text: String) -> MailAddress {
            var address = MailAddress(text)
            if address.domain.isEmpty { address.domain = domain }
            return address
        }
        let double = completed(configuration[Parameters.doubleBounceSender])
        policy = NoticePolicy(
            classes: Set(configuration[Parameters.notifyClasses].map { $0.lowercased() }),
            bounceRecipient: completed(configuration[Parameters.bounceNoticeRecipient]),
            doubleBounceRecipient: completed(configuration[Parameters.doubleBounceNoticeRecipient]),
            delayRecipient: completed(configuration[Parameters.delayNoticeRecipient]), doubleBounceSender: double,
            ownDomains: [double.domainKey, domain.map(ASCII.lowercased), hostName.utf8.map(ASCII.lowercased)])
    }

    func reporter(now: Int64) -> DeliveryStatusReport.Reporter {
        DeliveryStatusReport.Reporter(
            hostName: hostName, mailName: mailName, origin: origin, utcOffset: SystemClock.localOffset(at: now / 1_000_000))
    }
}

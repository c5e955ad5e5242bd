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
    /// `bounce_template_file`.
    var templates = NotificationTemplates()

    /// - Parameter warn: takes what is wrong with the templates; the built-in texts are used then, as in Postfix.
    init(_ configuration: Configuration, queueDirectory: String, warn: (String) -> Void = { _ in }) {
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
        templates = BounceSettings.templates(configuration, warn: warn)
        policy = NoticePolicy(
            classes: Set(configuration[Parameters.notifyClasses].map { $0.lowercased() }),
            bounceRecipient: completed(configuration[Parameters.bounceNoticeRecipient]),
            doubleBounceRecipient: completed(configuration[Parameters.doubleBounceNoticeRecipient]),
            delayRecipient: completed(configuration[Parameters.delayNoticeRecipient]), doubleBounceSender: double,
            ownDomains: [double.domainKey, domain.map(ASCII.lowercased), hostName.utf8.map(ASCII.lowercased)])
    }

    private static func templates(_ configuration: Configuration, warn: (String) -> Void) -> NotificationTemplates {
        let file = configuration[Parameters.bounceTemplateFile]
        guard !file.isEmpty else { return NotificationTemplates() }
        do {
            let bytes = try Files.contents(of: file, limit: 1 << 20)
            guard let text = String(validating: bytes, as: UTF8.self) else {
                warn("bounce_template_file \(file): not UTF-8")
                return NotificationTemplates()
            }
            return try NotificationTemplates(text: text) { line in
                // A text that cannot be expanded stays as it is written.
                (try? TextExpansion.expand(line) { value(of: $0, configuration) }) ?? line
            }
        } catch {
            warn("bounce_template_file \(file): \(error)")
            return NotificationTemplates()
        }
    }

    /// A parameter, or a time with the unit in its name: `$maximal_queue_lifetime_days` (bounce(5)).
    private static func value(of name: String, _ configuration: Configuration) -> String? {
        let units: [(suffix: String, unit: TimeUnit)] = [
            ("_seconds", .seconds), ("_minutes", .minutes), ("_hours", .hours), ("_days", .days), ("_weeks", .weeks),
        ]
        for (suffix, unit) in units where name.hasSuffix(suffix) {
            let parameter = String(name.dropLast(suffix.count))
            guard let seconds = configuration.seconds(of: parameter) else { continue }
            return String(seconds / unit.inSeconds)
        }
        return configuration.text(of: name)
    }

    func template(_ kind: DeliveryStatusReport.Kind) -> NotificationTemplate? {
        switch kind {
        case .failure: templates.failure
        case .delay: templates.delay
        case .success: templates.success
        }
    }

    func reporter(now: Int64) -> DeliveryStatusReport.Reporter {
        DeliveryStatusReport.Reporter(
            hostName: hostName, mailName: mailName, origin: origin, utcOffset: SystemClock.localOffset(at: now / 1_000_000))
    }
}

// Decides who is told what: the rules of bounce(8), RFC 3461 section 5.2 and RFC 5321 section 4.5.5. Pure.
//
//   sender            failure                                      delay, success
//   an address        the sender, by NOTIFY                        the sender, by NOTIFY
//   null              2bounce_notice_recipient, if notify_classes  nobody
//                     has 2bounce; else nobody, with a log line
//   double-bounce@    nobody, with a warning in the log            nobody
//
// A notification is never answered by a notification to its sender.

import DeliveryStatus
import MailIPC
import MailModel

/// The configuration that matters to notices.
struct NoticePolicy: Sendable {
    /// `notify_classes`.
    var classes: Set<String>
    var bounceRecipient: MailAddress
    var doubleBounceRecipient: MailAddress
    var delayRecipient: MailAddress
    /// `double_bounce_sender` with the origin.
    var doubleBounceSender: MailAddress
    /// Domains under which ``doubleBounceSender`` may come back, in lower case.
    var ownDomains: Set<[UInt8]>

    func isDoubleBounce(_ sender: MailAddress) -> Bool {
        sender.localPart == doubleBounceSender.localPart && (sender.domain.isEmpty || ownDomains.contains(sender.domainKey))
    }
}

/// A report that is to be posted.
struct PlannedReport: Equatable, Sendable {
    var audience: DeliveryStatusReport.Audience
    var sender: MailAddress
    var recipient: MailAddress
    var records: [BounceRecord]
    /// The words between queue id and new queue id in the log.
    var logWords: String
    /// The log of the message may go only after this report is queued. A copy for the postmaster is not worth a second report to the
    /// sender.
    var isRequired: Bool
}

/// Everything that a notice leads to.
struct NoticePlan: Equatable, Sendable {
    var reports: [PlannedReport] = []
    /// Why nobody is told of a failure, for the log; empty where that is what was asked for.
    var warning = ""
    var remark = ""
}

enum NoticePlanner {
    /// A report names at most so many recipients; more make several reports, so that each stays far below any message size limit.
    static let recipientsPerReport = 1000

    /// - Parameters:
    ///   - records: of the log that belongs to the notice.
    ///   - isWaiting: whether a recipient is still to be delivered to; for delays.
    static func plan(
        _ notice: BounceNotice, records: [BounceRecord], policy: NoticePolicy, isWaiting: (EnvelopeRecipient) -> Bool = { _ in true }
    ) -> NoticePlan {
        switch notice.kind {
        case .failure: failure(notice, records: records, policy: policy)
        case .delay: delay(notice, records: records.filter { isWaiting($0.recipient) }, policy: policy)
        case .success: success(notice, records: records)
        }
    }

    private static func failure(_ notice: BounceNotice, records: [BounceRecord], policy: NoticePolicy) -> NoticePlan {
        var plan = NoticePlan()
        guard !records.isEmpty else { return plan }
        let sender = notice.envelope.sender
        if policy.isDoubleBounce(sender) {
            plan.warning = "undeliverable postmaster notification discarded"
            return plan
        }
        // RFC 3461 section 5.2.3: NOTIFY without FAILURE, or NEVER, forbids the report.
        let reportable = records.filter { $0.recipient.notify.reportsFailure && !$0.recipient.notify.contains(.never) }
        if sender.isNull {
            if policy.classes.contains("2bounce") {
                plan.reports = split(reportable).map {
                    PlannedReport(
                        audience: .doubleBounce, sender: policy.doubleBounceSender, recipient: policy.doubleBounceRecipient, records: $0,
                        logWords: "postmaster non-delivery notification", isRequired: true)
                }
            } else {
                plan.remark = "undeliverable notification discarded: notify_classes has no 2bounce"
            }
            return plan
        }
        if reportable.isEmpty { plan.remark = "sender non-delivery notification suppressed by NOTIFY" }
        plan.reports = split(reportable).map {
            PlannedReport(
                audience: .sender, sender: .null, recipient: sender, records: $0, logWords: "sender non-delivery notification",
                isRequired: true)
        }
        if policy.classes.contains("bounce") {
            plan.reports += split(records).map {
                PlannedReport(
                    audience: .postmasterCopy, sender: policy.doubleBounceSender, recipient: policy.bounceRecipient, records: $0,
                    logWords: "postmaster non-delivery notification", isRequired: false)
            }
        }
        return plan
    }

    private static func delay(_ notice: BounceNotice, records: [BounceRecord], policy: NoticePolicy) -> NoticePlan {
        var plan = NoticePlan()
        let sender = notice.envelope.sender
        guard !records.isEmpty, !sender.isNull, !policy.isDoubleBounce(sender) else { return plan }
        let reportable = records.filter { $0.recipient.notify.reportsDelay && !$0.recipient.notify.contains(.never) }
        plan.reports = split(reportable).map {
            PlannedReport(
                audience: .sender, sender: .null, recipient: sender, records: $0, logWords: "sender delay notification", isRequired: true)
        }
        if policy.classes.contains("delay") {
            plan.reports += split(records).map {
                PlannedReport(
                    audience: .postmasterCopy, sender: policy.doubleBounceSender, recipient: policy.delayRecipient, records: $0,
                    logWords: "postmaster delay notification", isRequired: false)
            }
        }
        return plan
    }

    private static func success(_ notice: BounceNotice, records: [BounceRecord]) -> NoticePlan {
        var plan = NoticePlan()
        guard !notice.envelope.sender.isNull else { return plan }
        // RFC 3461 section 5.2.2: what a host with DSN took over, that host reports.
        let reportable = records.filter {
            $0.recipient.notify.reportsSuccess && !$0.recipient.notify.contains(.never) && $0.outcome.action != .relayed
        }
        plan.reports = split(reportable).map {
            PlannedReport(
                audience: .sender, sender: .null, recipient: notice.envelope.sender, records: $0,
                logWords: "sender delivery status notification", isRequired: true)
        }
        return plan
    }

    private static func split(_ records: [BounceRecord]) -> [[BounceRecord]] {
        stride(from: 0, to: records.count, by: recipientsPerReport).map {
            Array(records[$0..<min($0 + recipientsPerReport, records.count)])
        }
    }
}

extension BounceNotice.Kind {
    var log: BounceLog {
        switch self {
        case .failure: .bounce
        case .delay: .defer
        case .success: .trace
        }
    }

    var reportKind: DeliveryStatusReport.Kind {
        switch self {
        case .failure: .failure
        case .delay: .delay
        case .success: .success
        }
    }
}

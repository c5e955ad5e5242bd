// What pickup says of a submission: the classic line of Postfix, and beside it, for logs that take facts, where the program ran.

import MailIPC
import MailLog
import MailModel
import ServiceKit

enum PickupLog {
    /// `uid=1000 from=<phil>`, which cleanup writes behind the queue id that it makes.
    static func announcement(
        _ log: MailLog, _ id: QueueID, owner: UInt32, controlGroup: String, sender: String
    ) -> LogAnnouncement {
        var fields: LogFields = [
            "event": "pickup", "uid": .number(Int64(owner)), "sender": .text(sender), "maildrop_id": .text(id.text),
        ]
        fields.add("unit", ifAny: ControlGroup.unit(of: controlGroup))
        fields.add("cgroup", ifAny: controlGroup)
        return LogAnnouncement(log, "uid=\(owner) from=<\(sender)>", fields: fields)
    }

    /// Why a message is on hold.
    static func hold(_ log: MailLog, _ id: QueueID, owner: UInt32, _ rate: SubmissionRate) {
        log.info(
            "\(id): hold: uid=\(owner) has submitted more than \(rate.limit) messages in \(rate.window / 1_000_000)s"
                + " (local_submission_rate_limit)",
            fields: .event("hold", id) + ["uid": .number(Int64(owner))])
    }
}

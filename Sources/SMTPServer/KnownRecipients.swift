// Recipients that cleanup called known a moment ago, so that a run of messages to one of them asks once.
//
// Postfix keeps 100 answers too, for the life of a process (smtpd_resolve.c). Here they are good for a second, and only acceptance is kept: who
// was made a user just now is not to be turned away for what was true before. Who was removed is accepted for a second longer, and bounces.
// Security: clients choose the addresses; at most ``limit`` are kept.

import MailModel
import NIOCore

struct KnownRecipients {
    /// How long an answer is good.
    static let time = TimeAmount.seconds(1)
    static let limit = 100

    private var verdicts: [MailAddress: RecipientVerdict] = [:]
    private var end = NIODeadline.uptimeNanoseconds(0)

    init() {}

    mutating func verdict(on recipient: MailAddress, now: NIODeadline) -> RecipientVerdict? {
        if end <= now { verdicts.removeAll(keepingCapacity: true) }
        return verdicts[recipient]
    }

    mutating func learn(_ verdict: RecipientVerdict, on recipient: MailAddress, now: NIODeadline) {
        guard verdict.existence == .known else { return }
        if end <= now { verdicts.removeAll(keepingCapacity: true) }
        if verdicts.isEmpty { end = now + KnownRecipients.time }
        if verdicts.count < KnownRecipients.limit { verdicts[recipient] = verdict }
    }
}

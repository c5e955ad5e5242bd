// Recipients, and domains without a list of recipients, that cleanup called known a moment ago, so that a run of messages asks once.
//
// Postfix keeps 100 answers, for the life of a process (smtpd_resolve.c). Here they are good for a second, and only acceptance is kept: who
// was made a user just now is not to be turned away for what was true before. Who was removed is accepted for a second longer, and bounces.
// Security: clients choose the addresses; at most ``limit`` are kept.

import MailModel
import NIOCore

struct KnownRecipients {
    /// How long an answer is good.
    static let time = TimeAmount.seconds(1)
    static let limit = 1000

    private var verdicts: [MailAddress: RecipientVerdict] = [:]
    private var domains: [[UInt8]: RecipientVerdict] = [:]
    private var end = NIODeadline.uptimeNanoseconds(0)

    init() {}

    mutating func verdict(on recipient: MailAddress, now: NIODeadline) -> RecipientVerdict? {
        forgetOld(now)
        if !domains.isEmpty, KnownRecipients.isOrdinary(recipient), let verdict = domains[recipient.domain] { return verdict }
        return verdicts[recipient]
    }

    mutating func learn(_ verdict: RecipientVerdict, on recipient: MailAddress, now: NIODeadline) {
        guard verdict.existence == .known else { return }
        forgetOld(now)
        if verdicts.isEmpty && domains.isEmpty { end = now + KnownRecipients.time }
        // A list of thousands goes by once: the last ones are those of the recipients that come next.
        if verdicts.count + domains.count >= KnownRecipients.limit {
            verdicts.removeAll(keepingCapacity: true)
            domains.removeAll(keepingCapacity: true)
        }
        if verdict.isOfDomain && KnownRecipients.isOrdinary(recipient) {
            domains[recipient.domain] = verdict
        } else {
            verdicts[recipient] = verdict
        }
    }

    private mutating func forgetOld(_ now: NIODeadline) {
        guard end <= now else { return }
        verdicts.removeAll(keepingCapacity: true)
        domains.removeAll(keepingCapacity: true)
    }

    /// No domain vouches for an address whose local part is refused for itself (`allow_min_user`), or that has no domain.
    private static func isOrdinary(_ recipient: MailAddress) -> Bool {
        guard let first = recipient.localPart.first, !recipient.domain.isEmpty else { return false }
        return first != UInt8(ascii: "-")
    }
}

// The line of one recipient for outcomes that the queue manager itself decides: `error:`, `retry:`, `discard:`, suspended destinations,
// agents that broke off. Byte for byte as Postfix before 3.10 writes it.

import MailModel

enum RecipientLogLine {
    /// - Parameters:
    ///   - arrival: when the message came, `activated` when this round began, `now`; all in microseconds since 1970.
    ///   - decimals: `delay_logging_resolution_limit`.
    static func text(
        _ id: QueueID, _ recipient: EnvelopeRecipient, _ outcome: RecipientOutcome, arrival: Int64, activated: Int64, now: Int64,
        decimals: Int
    ) -> String {
        var original = ""
        if let given = recipient.originalAddress, given != recipient.address { original = " orig_to=<\(given.logForm)>," }
        func seconds(_ time: Int64) -> String { LogDelay.text(time, decimals: decimals) }
        let delays = "\(seconds(activated - arrival))/\(seconds(now - activated))/0/0"
        return "\(id): to=<\(recipient.address.logForm)>,\(original) relay=\(outcome.relay), delay=\(seconds(now - arrival)), "
            + "delays=\(delays), dsn=\(outcome.status), status=\(outcome.logWord) (\(ASCII.printable(Array(outcome.reason.utf8))))"
    }
}

// The line of one recipient for outcomes that the queue manager itself decides: `error:`, `retry:`, `discard:`, suspended destinations,
// agents that broke off. Byte for byte as Postfix before 3.10 writes it.

import MailModel

enum RecipientLogLine {
    /// - Parameters:
    ///   - arrival: when the message came, `activated` when this round began, `now`; all in microseconds since 1970.
    static func text(
        _ id: QueueID, _ recipient: EnvelopeRecipient, _ outcome: RecipientOutcome, arrival: Int64, activated: Int64, now: Int64
    ) -> String {
        var original = ""
        if let given = recipient.originalAddress, given != recipient.address { original = " orig_to=<\(given.logForm)>," }
        let delays = "\(seconds(activated - arrival))/\(seconds(now - activated))/0/0"
        return "\(id): to=<\(recipient.address.logForm)>,\(original) relay=\(outcome.relay), delay=\(seconds(now - arrival)), "
            + "delays=\(delays), dsn=\(outcome.status), status=\(outcome.logWord) (\(ASCII.printable(Array(outcome.reason.utf8))))"
    }

    /// Seconds with two significant digits and at most two decimals (`delay_logging_resolution_limit`): 123, 12, 1.2, 0.12, 0.
    static func seconds(_ microseconds: Int64) -> String {
        let value = max(0, microseconds)
        if value >= 10_000_000 { return "\((value + 500_000) / 1_000_000)" }
        let unit: Int64 = value >= 1_000_000 ? 100_000 : 10_000
        let hundredths = (value + unit / 2) / unit * (unit / 10_000)
        let (whole, rest) = (hundredths / 100, hundredths % 100)
        if rest == 0 { return "\(whole)" }
        if rest % 10 == 0 { return "\(whole).\(rest / 10)" }
        return "\(whole).\(rest < 10 ? "0" : "")\(rest)"
    }
}

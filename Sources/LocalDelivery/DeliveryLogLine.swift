// The log line of one recipient, byte for byte as Postfix before 3.10 writes it: log parsers read it.

import MailModel

/// When the steps of a delivery happened, in microseconds since 1970.
struct DeliveryTimes: Sendable, Hashable {
    /// The message arrived.
    var arrival: Int64
    /// qmgr took it up for this round.
    var activated: Int64
    /// The request came to this agent.
    var received: Int64
    var finished: Int64

    /// `delay=0.06, delays=0.04/0.01/0/0.01`. There is no connection to set up: the third part is 0.
    var text: String {
        let before = DeliveryTimes.duration(from: arrival, to: activated)
        let inQueueManager = DeliveryTimes.duration(from: activated, to: received)
        let transmission = DeliveryTimes.duration(from: received, to: finished)
        return "delay=\(DeliveryTimes.duration(from: arrival, to: finished)), delays=\(before)/\(inQueueManager)/0/\(transmission)"
    }

    /// Seconds with two significant digits and at most two decimals (`delay_logging_resolution_limit` 2): 123, 12, 1.2, 0.12, 0.01, 0.
    static func duration(from start: Int64, to end: Int64) -> String {
        let micros = max(0, end - start)
        if micros >= 10_000_000 { return "\((micros + 500_000) / 1_000_000)" }
        let (unit, digits): (Int64, Int) = micros >= 1_000_000 ? (100_000, 1) : (10_000, 2)
        let rounded = (micros + unit / 2) / unit
        let scale: Int64 = digits == 1 ? 10 : 100
        let whole = rounded / scale
        var fraction = rounded % scale
        if fraction == 0 { return "\(whole)" }
        var width = digits
        while fraction % 10 == 0 {
            fraction /= 10
            width -= 1
        }
        let text = "\(fraction)"
        return "\(whole)." + String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }
}

enum DeliveryLogLine {
    static func text(
        queueID: QueueID, recipient: MailAddress, originalRecipient: MailAddress?, outcome: RecipientOutcome, times: DeliveryTimes
    ) -> String {
        var original = ""
        if let originalRecipient, originalRecipient != recipient { original = " orig_to=<\(originalRecipient.logForm)>," }
        return "\(queueID): to=<\(recipient.logForm)>,\(original) relay=\(outcome.relay), \(times.text), dsn=\(outcome.status), "
            + "status=\(outcome.logWord) (\(ASCII.printable(Array(outcome.reason.utf8))))"
    }
}

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
    ///
    /// - Parameter decimals: `delay_logging_resolution_limit`.
    func text(decimals: Int) -> String {
        func part(_ start: Int64, _ end: Int64) -> String { LogDelay.text(end - start, decimals: decimals) }
        return "delay=\(part(arrival, finished)), "
            + "delays=\(part(arrival, activated))/\(part(activated, received))/0/\(part(received, finished))"
    }
}

enum DeliveryLogLine {
    static func text(
        queueID: QueueID, recipient: MailAddress, originalRecipient: MailAddress?, outcome: RecipientOutcome, times: DeliveryTimes,
        decimals: Int
    ) -> String {
        var original = ""
        if let originalRecipient, originalRecipient != recipient { original = " orig_to=<\(originalRecipient.logForm)>," }
        return
            "\(queueID): to=<\(recipient.logForm)>,\(original) relay=\(outcome.relay), \(times.text(decimals: decimals)), dsn=\(outcome.status), "
            + "status=\(outcome.logWord) (\(ASCII.printable(Array(outcome.reason.utf8))))"
    }
}

// The log of the queue manager, and the lines it writes under the names of `error`, `retry` and `discard`.

import MailLog
import MailModel
import ServiceKit

/// Where lines go; a test collects them.
struct QueueManagerLog: Sendable {
    /// Program (empty: the queue manager itself), line, and whether it is a warning.
    let write: @Sendable (_ program: String, _ line: String, _ isWarning: Bool) -> Void
    /// The same for lines that have facts beside them; nil where nobody takes facts.
    private var writeWithFields: (@Sendable (_ program: String, _ line: String, _ fields: () -> LogFields) -> Void)?

    init(write: @escaping @Sendable (_ program: String, _ line: String, _ isWarning: Bool) -> Void) { self.write = write }

    /// `delay_logging_resolution_limit`.
    private var decimals = 2

    init(_ log: MailLog, decimals: Int) {
        let programs = Dictionary(uniqueKeysWithValues: ["error", "retry", "discard"].map { ($0, log.named($0)) })
        self.init { program, line, isWarning in
            let destination = programs[program] ?? log
            if isWarning { destination.warning(line) } else { destination.info(line) }
        }
        self.decimals = decimals
        if log.takesFields {
            writeWithFields = { program, line, fields in (programs[program] ?? log).info(line, fields: fields()) }
        }
    }

    func info(_ line: String) { write("", line, false) }

    func info(_ line: String, program: String = "", fields: @autoclosure () -> LogFields) {
        if let writeWithFields { writeWithFields(program, line, fields) } else { write(program, line, false) }
    }

    func warning(_ line: String) { write("", line, true) }

    @ServiceActor
    func recipient(_ message: ActiveMessage, _ index: Int, _ outcome: RecipientOutcome, program: String, now: Int64) {
        let line = RecipientLogLine.text(
            message.id, message.envelope.recipients[index], outcome, arrival: message.envelope.arrival, activated: message.activated,
            now: now, decimals: decimals)
        let recipient = message.envelope.recipients[index]
        info(
            line, program: program,
            fields: .delivery(
                message.id, sender: message.envelope.sender, recipient.address, original: recipient.originalAddress, outcome,
                DeliveryMoments(
                    arrival: message.envelope.arrival, activated: message.activated, handedOver: now, connected: now, finished: now)))
    }
}

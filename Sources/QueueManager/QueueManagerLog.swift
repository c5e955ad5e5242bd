// The log of the queue manager, and the lines it writes under the names of `error`, `retry` and `discard`.

import MailLog
import MailModel
import ServiceKit

/// Where lines go; a test collects them.
struct QueueManagerLog: Sendable {
    /// Program (empty: the queue manager itself), line, and whether it is a warning.
    let write: @Sendable (_ program: String, _ line: String, _ isWarning: Bool) -> Void

    init(write: @escaping @Sendable (_ program: String, _ line: String, _ isWarning: Bool) -> Void) { self.write = write }

    init(_ log: MailLog) {
        let programs = Dictionary(uniqueKeysWithValues: ["error", "retry", "discard"].map { ($0, log.named($0)) })
        self.init { program, line, isWarning in
            let destination = programs[program] ?? log
            if isWarning { destination.warning(line) } else { destination.info(line) }
        }
    }

    func info(_ line: String) { write("", line, false) }
    func warning(_ line: String) { write("", line, true) }

    @ServiceActor
    func recipient(_ message: ActiveMessage, _ index: Int, _ outcome: RecipientOutcome, program: String, now: Int64) {
        let line = RecipientLogLine.text(
            message.id, message.envelope.recipients[index], outcome, arrival: message.envelope.arrival, activated: message.activated,
            now: now)
        write(program, line, false)
    }
}

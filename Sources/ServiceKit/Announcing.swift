// Log lines that one program makes and another writes: see CleanupProtocol.

public import MailIPC
public import MailLog
public import MailModel
import SystemKit

extension LogAnnouncement {
    /// A line of the program that `log` belongs to. Facts are made only where its destination takes them.
    public init(_ log: MailLog, _ text: String, fields: @autoclosure () -> LogFields) {
        let facts: [Fact] =
            log.takesFields
            ? fields().list.map { field in
                switch field.value {
                case .text(let value): .text(field.name, value)
                case .number(let value), .duration(let value): .number(field.name, value)
                }
            } : []
        self.init(tag: log.tag, processID: ProcessSpawn.currentProcessID, text: text, facts: facts)
    }

    /// Writes it, now that the queue id is known.
    public func write(to log: MailLog, _ id: QueueID) {
        log.info("\(id): \(text)", tag: tag, processID: processID, fields: fields(id))
    }

    private func fields(_ id: QueueID) -> LogFields {
        var fields: LogFields = ["queue_id": .text(id.text)]
        for fact in facts {
            switch fact {
            case .text(let name, let value) where LogAnnouncement.isName(name): fields.add(name, .text(value))
            case .number(let name, let value) where LogAnnouncement.isName(name): fields.add(name, .number(value))
            default: break
            }
        }
        return fields
    }

    /// Names go into lines as they are.
    private static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.allSatisfy { ($0 >= 0x61 && $0 <= 0x7A) || ($0 >= 0x30 && $0 <= 0x39) || $0 == UInt8(ascii: "_") }
    }
}

// The queue as `mailq` shows it. Active messages come from memory, the others from their files, read while the list is sent.

import MailIPC
import MailModel
import MailQueue
import Scheduling
import ServiceKit

extension QueueManager {
    /// Calls `body` for each message: active, incoming, deferred, on hold; within each by age. Messages may move meanwhile; one that moves
    /// ahead of the list may be shown twice or not at all.
    func list(_ body: @ServiceActor (QueueEntry) async throws -> Void) async throws {
        for id in active.keys.sorted() {
            guard let message = active[id] else { continue }
            try await body(
                QueueEntry(
                    queueID: id, place: .active, arrival: message.envelope.arrival, nextAttempt: 0, size: message.contentLength,
                    sender: message.envelope.sender,
                    recipients: message.todo.map { index in
                        let recipient = message.envelope.recipients[index]
                        return QueueEntry.Recipient(
                            address: recipient.address, originalAddress: recipient.originalAddress,
                            delayReason: message.deferrals[index]?.reason ?? "")
                    }))
        }
        for id in inBacklog.sorted() { try await listFile(id, .incoming, place: .incoming, nextAttempt: 0, body) }
        for (id, time) in due.messages.sorted(by: { $0.id < $1.id }) {
            try await listFile(
                id, .deferred, place: .deferred, nextAttempt: time == QueueManager.inLane ? clock.now() : time, body)
        }
        for id in try files.directories.ids(in: .hold).sorted() {
            try await listFile(id, .hold, place: .hold, nextAttempt: 0, body)
        }
    }

    private func listFile(
        _ id: QueueID, _ directory: QueueDirectory, place: QueueEntry.Place, nextAttempt: Int64,
        _ body: @ServiceActor (QueueEntry) async throws -> Void
    ) async throws {
        // A file that has just gone, or is no message, is not in the list; whoever takes it up says what is wrong with it.
        guard let stored = try? files.load(id, in: directory) else { return }
        let reasons = directory == .deferred ? await bounce.deferrals(of: id) : []
        let recipients = stored.envelope.recipients.indices.filter { stored.states[$0] == .todo }.map { index in
            let recipient = stored.envelope.recipients[index]
            return QueueEntry.Recipient(
                address: recipient.address, originalAddress: recipient.originalAddress,
                delayReason: reasons.last { $0.recipient.address == recipient.address }?.outcome.reason ?? "")
        }
        try await body(
            QueueEntry(
                queueID: id, place: place, arrival: stored.envelope.arrival, nextAttempt: nextAttempt,
                size: stored.header.contentLength, sender: stored.envelope.sender, recipients: recipients))
    }
}

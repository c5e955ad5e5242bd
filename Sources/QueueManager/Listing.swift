// The queue as `mailq` shows it. Active messages come from memory, the others from their files, read on a thread while the list is sent.
//
// Bounds: one thread reads for all listings, and a listing whose client stops reading holds a few thousand names (QueueInventory) and the
// credit of its stream; how many connections a user may have is bounded (QueueManagerService).

import MailIPC
import MailModel
import MailQueue
import NIOPosix
import Scheduling
import ServiceKit
import SystemKit

extension QueueManager {
    /// Active messages in one step: the loop does other work between two.
    private static let listingStep = 128

    /// Calls `body` with some messages at a time: active, incoming, deferred, on hold; within each by age. Messages may move meanwhile; one
    /// that moves ahead of the list may be shown twice or not at all.
    func list(_ body: @ServiceActor ([QueueEntry]) async throws -> Void) async throws {
        // What is deleted and still under way is no mail any more.
        let ids = active.values.filter { !$0.isRemoved }.map(\.id).sorted()
        for start in stride(from: 0, to: ids.count, by: Self.listingStep) {
            try await body(ids[start..<min(start + Self.listingStep, ids.count)].compactMap { active[$0].map { Self.entry($0) } })
        }
        // Those that wait in a commit log. One whose log is settled meanwhile is among the files.
        let waiting = logged.keys.sorted()
        for start in stride(from: 0, to: waiting.count, by: Self.listingStep) {
            try await body(waiting[start..<min(start + Self.listingStep, waiting.count)].compactMap(waitingInLog))
        }
        var inventory = QueueInventory(files.directories, excluding: Set(ids))
        var reading = read(inventory)
        while true {
            let (entries, rest) = try await reading.value.get()
            inventory = rest
            guard let entries else { return }
            // The next ones are read while these are sent.
            reading = read(inventory)
            if !entries.isEmpty { try await body(entries) }
        }
    }

    private typealias Step = ([QueueEntry]?, QueueInventory)

    private func read(_ inventory: QueueInventory) -> Task<Result<Step, any Error>, Never> {
        let listingPool = listingPool
        return ServiceActor.start {
            do {
                return .success(
                    try await listingPool.runIfActive {
                        var rest = inventory
                        let entries = try rest.next()
                        return (entries, rest)
                    })
            } catch {
                return .failure(error)
            }
        }
    }

    private func waitingInLog(_ id: QueueID) -> QueueEntry? {
        guard let place = logged[id] else { return nil }
        do throws(SystemError) {
            if try Files.exists(files.path(.incoming, id)) { return nil }
        } catch {
            return nil
        }
        guard let stored = try? storedInLog(id, place) else { return nil }
        return Self.entry(
            ActiveMessage(stored, id: id, directory: .incoming, activated: clock.now(), isFlushed: false), place: .incoming)
    }

    private static func entry(_ message: ActiveMessage, place: QueueEntry.Place = .active) -> QueueEntry {
        QueueEntry(
            queueID: message.id, place: place, arrival: message.envelope.arrival, nextAttempt: 0, size: message.contentLength,
            sender: message.envelope.sender,
            recipients: message.todo.map { index in
                let recipient = message.envelope.recipients[index]
                return QueueEntry.Recipient(
                    address: recipient.address, originalAddress: recipient.originalAddress,
                    delayReason: message.deferrals[index]?.reason ?? "")
            })
    }
}

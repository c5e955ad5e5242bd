// What a report needs of the message it is about, read from the queue file.
//
// A message that cannot be read (a sick disk, an administrator's rm) does not keep its sender from being told: the report then goes without
// content. Limits: only the first `bounce_size_limit` octets are ever read.

import DeliveryStatus
import MailIPC
import MailModel
import MailQueue
import SystemKit

struct OriginalMessage: Sendable {
    /// The start of the content, at most the limit.
    var start: [UInt8] = []
    var length: UInt64 = 0
    var facts: ContentFacts = []
    /// Recipients that are still to be delivered to; nil where the file could not be read.
    var waiting: Set<MailAddress>?
    /// Why there is nothing; empty where there is.
    var trouble = ""

    /// Reads it; blocks.
    ///
    /// - Parameter limit: `bounce_size_limit`.
    init(_ notice: BounceNotice, directories: QueueDirectories, limit: Int) {
        // The notice names the place; qmgr may have moved the file since, or another directory may be named by a program taken over.
        let named = QueueDirectory(rawValue: notice.directory)
        for directory in [named, .incoming, .deferred, .hold] {
            guard let directory, [.incoming, .deferred, .hold].contains(directory) else { continue }
            do {
                let reader = try QueueFileReader(path: directories.path(directory, notice.queueID))
                length = reader.header.contentLength
                facts = reader.header.contentFacts
                let pending = zip(reader.envelope.recipients, reader.states).filter { $0.1 == .todo }
                waiting = Set(pending.map(\.0.address))
                trouble = ""
                start = []
                let wanted = min(length, UInt64(max(0, limit)))
                while UInt64(start.count) < wanted {
                    let piece = try reader.content(at: UInt64(start.count), upTo: Int(wanted) - start.count)
                    if piece.isEmpty { break }
                    start += piece
                }
                return
            } catch {
                if trouble.isEmpty { trouble = "\(error)" }
            }
        }
    }

    /// What a report returns of it.
    func returned(
        _ kind: DeliveryStatusReport.Kind, audience: DeliveryStatusReport.Audience, requested: DSNReturn, limit: Int
    ) -> ReturnedContent {
        let isWhole = ReturnedContent.returnsWhole(
            kind, audience: audience, requested: requested, length: length, limit: limit, facts: facts)
        if isWhole, UInt64(start.count) == length, length > 0 { return .message(start) }
        return .header(of: start[...], limit: limit)
    }
}

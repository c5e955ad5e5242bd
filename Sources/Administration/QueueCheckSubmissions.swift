// The offline check of submissions in `maildrop` (L1 to L4) and of the logs of recipients (S5, S6, S9).

import MailConfiguration
import MailIPC
import MailModel
import MailQueue
import SystemKit

extension QueueCheck {
    /// One name in `maildrop`.
    mutating func checkSubmission(_ name: String) {
        if name.hasSuffix(".tmp") {
            checkUnfinished(name)
            return
        }
        guard let (id, status) = identify(name, in: .maildrop) else { return }
        let shown = "maildrop/\(name)"
        if let reason = objection(to: directories.path(.maildrop, id)) {
            add(.damagedSubmission, shown, "pickup will not take it: \(reason)", .moveToCorrupt)
        }
        // pickup, which is the mail owner, must be able to read it. Whose it is says who submitted it.
        if status.mode & 0o444 != 0o444 && status.owner != owners.mail.user {
            addOwnership(shown, status, status.owner, status.group, 0o644)
        }
    }

    private mutating func checkUnfinished(_ name: String) {
        do throws(SystemError) {
            let age = now - (try Files.linkStatus(of: "\(directories.path(.maildrop))/\(name)")).modified
            if age > QueueCheck.staleAge {
                add(.unfinishedSubmission, "maildrop/\(name)", "a submission that was never finished, and never accepted", .remove)
            } else {
                add(.note, "maildrop/\(name)", "a submission that is being written, or was never finished")
            }
        } catch {
            if !error.isNotFound { add(.unreadable, "maildrop/\(name)", error.description) }
        }
    }

    /// Why a file is no submission; nil where it is one.
    private func objection(to path: String) -> String? {
        do {
            let file = try FileDescriptor.open(path, [.readOnly, .noFollow, .nonBlocking])
            var decoder = MaildropFileDecoder(maximumContent: messageSizeLimit > 0 ? UInt64(messageSizeLimit) : UInt64.max)
            while true {
                let piece = try file.read(upTo: 128 << 10)
                if piece.isEmpty { return decoder.isComplete ? nil : "it ends too early" }
                decoder.append(piece)
                while try decoder.next() != nil {}
            }
        } catch let error as SystemError where error.isNotFound {
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// One name in `bounce`, `defer` or `trace`.
    mutating func checkLog(_ name: String, in directory: QueueDirectory) {
        guard let (id, status) = identify(name, in: directory) else { return }
        let shown = "\(directory.name)/\(name)"
        if status.owner != owners.mail.user || status.mode != 0o600 {
            addOwnership(shown, status, owners.mail.user, owners.mail.group, 0o600)
        }
        let contents: BounceLogContents
        do throws(SystemError) {
            contents = BounceLogFile.parse(try Files.contents(of: directories.path(directory, id), limit: BounceLogFile.sizeLimit))
        } catch {
            if !error.isNotFound { add(.unreadable, shown, error.description) }
            return
        }
        if contents.damagedLines > 0 {
            // A line that a crash tore was never acknowledged; readers skip it.
            add(.note, shown, "\(contents.damagedLines) damaged \(contents.damagedLines == 1 ? "line" : "lines"), which will be skipped")
        }
        for record in contents.records where record.queueID != id {
            add(.damaged, shown, "it has a record of the message \(record.queueID.text)")
            break
        }
        if places[id] != nil { return }
        if directory == .bounce && !contents.records.isEmpty {
            // Never removed unread: it may say what nobody was told.
            add(
                .logWithoutMessage, shown,
                "the message is gone; its sender was perhaps not told of \(contents.records.count) failed recipients")
        } else {
            add(.logWithoutMessage, shown, "the message is gone", .remove)
        }
    }
}

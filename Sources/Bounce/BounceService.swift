// bounce: keeps the logs of failed, deferred and traced recipients, and posts reports made from them.
//
// The order that keeps a failure from being lost: qmgr marks a recipient as bounced only after `append` was acknowledged, which is after
// the record is durable; the log goes only after the report is durable in the queue; qmgr removes the message only after `notify` was
// acknowledged. A crash between any two of these steps leads to a second report, never to none. The window for a second one is from the
// commit of the report to the removal of the log.
//
// Security: runs as the mail owner and talks to qmgr and cleanup only. A malformed request ends its stream.

import DeliveryStatus
import MailConfiguration
import MailIPC
import MailLog
import MailModel
import MailQueue
import NIOCore
import NIOPosix
import ServiceKit
import SystemKit

@ServiceActor
final class BounceService {
    let log: MailLog
    let settings: BounceSettings
    private let store: BounceLogStore
    private let poster: any NotificationPosting
    /// One thread: whoever asks first is written first.
    let pool = NIOThreadPool(numberOfThreads: 1)
    private var gathering: [(record: BounceRecord, done: CheckedContinuation<String?, Never>)] = []
    private var isAppending = false
    /// Notices under way, by message: a second one for the same message waits for the first, and then finds its log gone.
    private var underWay: [QueueID: [CheckedContinuation<Void, Never>]] = [:]

    init(settings: BounceSettings, log: MailLog, poster: any NotificationPosting) {
        self.settings = settings
        self.log = log
        self.poster = poster
        store = BounceLogStore(directories: settings.directories)
        pool.start()
    }

    /// Answers one stream: any number of requests, one after the other.
    func serve(_ stream: IPCStream) async {
        do {
            while let frame = try await stream.receive() {
                let answer = try await self.answer(frame)
                try await stream.send(answer.type, answer.payload)
            }
        } catch IPCError.broken {
            // qmgr went away. What it asked for may be done or not; it asks again.
        } catch {
            log.warning("request dropped: \(error)")
            stream.reset()
        }
    }

    func answer(_ frame: IPCFrame) async throws -> (type: UInt8, payload: [UInt8]) {
        switch frame.type {
        case BounceFrame.append:
            return done(await append(try BounceRecord(decoding: frame.payload[...])))
        case BounceFrame.notify:
            return done(await notify(try BounceNotice(decoding: frame.payload[...])))
        case BounceFrame.forget:
            let id = try QueueID(decoding: frame.payload[...])
            return done(await onPool { store throws(SystemError) in try store.forget(id) }.failureText)
        case BounceFrame.read:
            let id = try QueueID(decoding: frame.payload[...])
            switch await onPool({ store throws(SystemError) in try store.read(.defer, id) }) {
            case .success(let contents):
                var encoder = ByteEncoder()
                encoder.put(list: contents.records) { $1.encode(into: &$0) }
                return (BounceFrame.records, encoder.bytes)
            case .failure(let error): return done("\(error)")
            }
        default:
            throw IPCError.violation("bounce frame type \(frame.type)")
        }
    }

    private func done(_ failure: String?) -> (type: UInt8, payload: [UInt8]) {
        guard let failure else { return (BounceFrame.done, []) }
        var encoder = ByteEncoder()
        encoder.put(failure)
        return (BounceFrame.failed, encoder.bytes)
    }

    // MARK: Appending

    /// Waits until the record is in its log; the reason where it is not. Records that come while others are being synced share one sync.
    private func append(_ record: BounceRecord) async -> String? {
        await withCheckedContinuation { continuation in
            gathering.append((record, continuation))
            if !isAppending { appendBatches() }
        }
    }

    private func appendBatches() {
        isAppending = true
        ServiceActor.start { [self] in
            while !gathering.isEmpty {
                let batch = gathering
                gathering = []
                let records = batch.map(\.record)
                let results: [SystemError?]
                switch await onPool({ store in store.append(records) }) {
                case .success(let each): results = each
                case .failure(let error): results = records.map { _ in error }
                }
                for (waiting, error) in zip(batch, results) {
                    if let error {
                        log.warning("\(waiting.record.queueID): cannot append to the \(waiting.record.log.directory) log: \(error)")
                    }
                    waiting.done.resume(returning: error.map { "\($0)" })
                }
            }
            isAppending = false
        }
    }

    // MARK: Reporting

    /// Composes and posts what the notice leads to. nil when everything that must be told is durable in the queue.
    private func notify(_ notice: BounceNotice) async -> String? {
        while underWay[notice.queueID] != nil {
            await withCheckedContinuation { continuation in
                guard underWay[notice.queueID] != nil else { return continuation.resume() }
                underWay[notice.queueID]?.append(continuation)
            }
        }
        underWay[notice.queueID] = []
        defer {
            let waiting = underWay.removeValue(forKey: notice.queueID) ?? []
            for next in waiting { next.resume() }
        }
        let limit = settings.sizeLimit
        let directories = settings.directories
        let source = notice.kind.log
        let read = await onPool { store throws(SystemError) in
            (try store.read(source, notice.queueID), OriginalMessage(notice, directories: directories, limit: limit))
        }
        switch read {
        case .failure(let error):
            log.warning("\(notice.queueID): cannot read the \(source.directory) log: \(error)")
            return "\(error)"
        case .success(let (contents, original)):
            return await notify(notice, contents: contents, original: original)
        }
    }

    private func notify(_ notice: BounceNotice, contents: BounceLogContents, original: OriginalMessage) async -> String? {
        let id = notice.queueID
        if contents.damagedLines > 0 {
            log.warning("\(id): \(contents.damagedLines) damaged lines in the \(notice.kind.log.directory) log are skipped")
        }
        let plan = NoticePlanner.plan(notice, records: contents.records, policy: settings.policy) { recipient in
            original.waiting.map { $0.contains(recipient.address) } ?? true
        }
        if !plan.reports.isEmpty, !original.trouble.isEmpty {
            log.warning("\(id): notification goes without the message: \(original.trouble)")
        }
        for planned in plan.reports {
            if let failure = await post(planned, notice: notice, original: original), planned.isRequired { return failure }
        }
        if !plan.warning.isEmpty { log.warning("\(id): \(plan.warning)") }
        if !plan.remark.isEmpty { log.info("\(id): \(plan.remark)") }
        // The defer log of a message that goes on being tried stays: `read` shows it in the queue listing.
        guard notice.kind != .delay, contents.size > 0 else { return nil }
        let source = notice.kind.log
        let size = contents.size
        let removal = await onPool { store throws(SystemError) in try store.remove(source, id, size: size) }
        if let failure = removal.failureText {
            // The report is out. To fail here would make another one now; the log left behind may make one later.
            log.warning("\(id): cannot remove the \(source.directory) log: \(failure)")
        }
        return nil
    }

    /// Posts one report. nil when it is durable.
    private func post(_ planned: PlannedReport, notice: BounceNotice, original: OriginalMessage) async -> String? {
        let kind = notice.kind.reportKind
        let chosen = original.returned(
            kind, audience: planned.audience, requested: notice.envelope.returnContent, limit: settings.sizeLimit)
        var failure = PostingFailure(text: "", isPermanent: true)
        // A report that is refused with its content for good goes without.
        for returned in [chosen, .header([])] where failure.isPermanent {
            var report = DeliveryStatusReport(
                kind, audience: planned.audience, reporter: settings.reporter(now: SystemClock.now()), queueID: notice.queueID,
                envelope: notice.envelope,
                recipients: planned.records.map { ReportedRecipient(recipient: $0.recipient, outcome: $0.outcome, time: $0.time) },
                retryUntil: notice.retryUntil, returned: returned)
            report.template = settings.template(kind)
            let envelope = Envelope(
                sender: planned.sender, recipients: [EnvelopeRecipient(planned.recipient)], origin: .notification,
                arrival: SystemClock.now(),
                body: report.hasEightBit ? .eightBitMIME : .sevenBit, isSMTPUTF8: report.isInternationalized)
            switch await poster.post(envelope, content: report.message(to: planned.recipient)) {
            case .success(let newID):
                log.info(
                    "\(notice.queueID): \(planned.logWords): \(newID)",
                    fields: .event("notification", notice.queueID) + [
                        "notification_id": .text("\(newID)"), "notification": .text(planned.logWords),
                        "recipient": .text(planned.recipient.logForm), "nrcpt": .number(Int64(planned.records.count)),
                    ])
                return nil
            case .failure(let error): failure = error
            }
        }
        log.warning("\(notice.queueID): cannot post \(planned.logWords): \(failure.text)")
        return failure.text
    }

    func onPool<Value: Sendable>(
        _ body: @escaping @Sendable (BounceLogStore) throws(SystemError) -> Value
    ) async -> Result<Value, SystemError> {
        let store = store
        do {
            return try await pool.runIfActive {
                do throws(SystemError) {
                    return .success(try body(store))
                } catch {
                    return .failure(error)
                }
            }
        } catch {
            // The pool is shut down, so the process ends: nothing was done.
            return .failure(SystemError(errno: 5, operation: "log", object: "thread pool"))
        }
    }
}

extension Result where Failure == SystemError {
    /// The error as text; nil for success.
    fileprivate var failureText: String? {
        switch self {
        case .success: nil
        case .failure(let error): "\(error)"
        }
    }
}

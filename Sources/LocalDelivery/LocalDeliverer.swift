// One delivery request: one message, some recipients, all of its ends on this host.
//
// ``run()`` does what can be done alone and writes into Maildirs; those become durable with the batch, and ``finish()`` says then what became
// of each recipient. Nothing is logged before, so that `status=sent` is true when it is read.

import MailLog
import MailModel
import ServiceKit
import SystemKit

/// Makes the deliveries of one request. Used once.
final class LocalDeliverer {
    let settings: LocalSettings
    let tables: LocalTables
    /// The name of the transport in master.cf: addresses that route to it are delivered here, not forwarded.
    let transport: String
    private(set) var trail = DeliveryTrail(contentStart: [])
    let message: DeliveryMessage
    let content: MessageContent
    private let forwarder: (ForwardedMessage, borrowing MessageContent) -> RecipientOutcome
    let handOver: (HandOff, borrowing MessageContent) -> RecipientOutcome
    private let log: (String, () -> LogFields) -> Void
    private let logWarning: (String) -> Void
    let helperPath: String
    let now: () -> Int64
    let batch: MaildirBatch
    let beforeLongWork: () -> Void
    /// Where the results of this message's Maildirs stand in the batch.
    var entries: [Int] = []
    private var outcomes: [RecipientOutcome] = []
    private var lines: [(address: MailAddress, top: EnvelopeRecipient, outcome: RecipientOutcome)] = []
    /// What was done already for this message: the same mailbox, file or command gets it once.
    var done: [Destination: RecipientOutcome] = [:]

    enum Destination: Hashable {
        case mailbox(String)
        case file([UInt8], UInt32)
        case command([UInt8], UInt32)
        case transport(HandOffTarget, MailAddress)
    }

    init(
        _ message: DeliveryMessage, content: consuming MessageContent, settings: LocalSettings, tables: LocalTables, transport: String,
        helperPath: String, now: @escaping () -> Int64, log: @escaping (String, () -> LogFields) -> Void,
        warn: @escaping (String) -> Void,
        forwarder: @escaping (ForwardedMessage, borrowing MessageContent) -> RecipientOutcome,
        handOver: @escaping (HandOff, borrowing MessageContent) -> RecipientOutcome, batch: MaildirBatch,
        beforeLongWork: @escaping () -> Void
    ) {
        self.handOver = handOver
        self.batch = batch
        self.beforeLongWork = beforeLongWork
        self.message = message
        self.content = content
        self.settings = settings
        self.tables = tables
        self.transport = transport
        self.helperPath = helperPath
        self.now = now
        self.log = log
        logWarning = warn
        self.forwarder = forwarder
    }

    /// Makes the deliveries, those into Maildirs up to the commit of the batch.
    func run() {
        do throws(SystemError) {
            trail = DeliveryTrail(contentStart: try content.start(upTo: DeliveryTrail.usualSize))
            if !trail.isWhole && content.length > DeliveryTrail.usualSize {
                trail = DeliveryTrail(contentStart: try content.start(upTo: DeliveryTrail.headerLimit))
            }
        } catch {
            outcomes = message.envelope.recipients.map { recipient in
                let outcome = RecipientOutcome(.deferred, EnhancedStatusCode(4, 3, 0), "\(error)", relay: "local")
                record(recipient.address, top: recipient, outcome)
                return outcome
            }
            return
        }
        outcomes = message.envelope.recipients.map(deliver)
    }

    /// Logs what became of the recipients, and says it: one outcome for each, in their order.
    ///
    /// To be called after the commit of the batch. Where one of this message's Maildirs failed, all recipients are deferred: what was done for
    /// them is done again (window D2), which a disk that fails in the middle of a commit makes rare.
    func finish() -> [RecipientOutcome] {
        let failures = entries.compactMap { batch.takeFailure(of: $0) }
        if let error = failures.first {
            let outcome = LocalDeliverer.trouble(error, "maildir delivery failed: \(error)")
            for recipient in message.envelope.recipients { write(recipient.address, recipient, outcome) }
            return message.envelope.recipients.map { _ in outcome }
        }
        for line in lines { write(line.address, line.top, line.outcome) }
        return outcomes
    }

    private func deliver(_ recipient: EnvelopeRecipient) -> RecipientOutcome {
        let expansion = RecipientExpansion(recipient, agent: self)
        var outcomes = expansion.run(sender: message.envelope.sender)
        for forward in expansion.forwards {
            let forwarded = ForwardedMessage(
                message.envelope, of: recipient, sender: forward.sender, isOwner: forward.isOwner, to: forward.recipients,
                deliveredTo: settings.deliveredHeaders.contains("forward"), time: now())
            beforeLongWork()
            let outcome = forwarder(forwarded, content)
            record(recipient.address, top: recipient, outcome)
            outcomes.append(outcome)
        }
        return LocalDeliverer.worst(outcomes)
    }

    /// The outcome of a recipient whose expansion had these ends: deferred if one of them is to be tried again, failed if one failed.
    static func worst(_ outcomes: [RecipientOutcome]) -> RecipientOutcome {
        if let deferred = outcomes.first(where: { $0.action == .deferred }) { return deferred }
        if let bounced = outcomes.first(where: { $0.action == .bounced }) { return bounced }
        // Several ends, or a new message: the address itself is not where it ended (RFC 3464 section 2.3.3).
        if let expanded = outcomes.first(where: { $0.action == .expanded }) { return expanded }
        if outcomes.count > 1, let first = outcomes.first {
            return RecipientOutcome(.expanded, first.status, first.reason, relay: first.relay)
        }
        return outcomes.first ?? RecipientOutcome(.deferred, EnhancedStatusCode(4, 3, 5), "the expansion has no end", relay: "local")
    }

    func warn(_ line: String) { logWarning("\(message.queueID): \(line)") }

    /// Notes what became of an address, for the log.
    func record(_ address: MailAddress, top: EnvelopeRecipient, _ outcome: RecipientOutcome) { lines.append((address, top, outcome)) }

    private func write(_ address: MailAddress, _ top: EnvelopeRecipient, _ outcome: RecipientOutcome) {
        let original = top.originalAddress ?? top.address
        let times = message.times(now())
        log(
            DeliveryLogLine.text(
                queueID: message.queueID, recipient: address, originalRecipient: original, outcome: outcome, times: times,
                decimals: settings.delayDecimals)
        ) {
            .delivery(
                message.queueID, sender: message.envelope.sender, address, original: original, outcome,
                DeliveryMoments(
                    arrival: times.arrival, activated: times.activated, handedOver: times.received, connected: times.received,
                    finished: times.finished))
        }
    }
}

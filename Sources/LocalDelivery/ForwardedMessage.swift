// The new message by which a message goes on to other addresses: through cleanup, like every message, with Delivered-To in front so that
// it is known when it comes back.
//
// RFC 3461 section 5.2.7.3: an alias passes NOTIFY, ORCPT and RET on; a list (`owner-NAME`) is a new sender and a new message.

import MailIPC
import MailModel
import SystemKit

/// What `local` was asked to deliver.
struct DeliveryMessage {
    let queueID: QueueID
    /// With the recipients of this attempt.
    let envelope: Envelope
    let activated: Int64
    let received: Int64

    func times(_ now: Int64) -> DeliveryTimes {
        DeliveryTimes(arrival: envelope.arrival, activated: activated, received: received, finished: now)
    }
}

/// A message on its way to cleanup.
struct ForwardedMessage {
    let envelope: Envelope
    /// What goes before the content.
    let header: [UInt8]

    /// - Parameter time: microseconds since 1970.
    init(
        _ original: Envelope, of recipient: EnvelopeRecipient, sender: MailAddress, isOwner: Bool, to targets: [MailAddress],
        deliveredTo: Bool,
        time: Int64
    ) {
        var made = original
        made.sender = sender
        made.origin = .forward
        made.arrival = time
        made.userID = -1
        made.fullName = []
        made.isHeld = false
        // The success of an expansion is reported here, that of its parts is not (RFC 3461 section 5.2.7.3).
        var notify = recipient.notify.subtracting(.success)
        if notify.isEmpty && !recipient.notify.isEmpty { notify = .never }
        if isOwner {
            made.envelopeID = []
            made.returnContent = .unspecified
            notify = []
        }
        let isSMTPUTF8 = original.isSMTPUTF8 || sender.isInternationalized || targets.contains(where: \.isInternationalized)
        made.isSMTPUTF8 = isSMTPUTF8
        made.recipients = targets.map {
            EnvelopeRecipient($0, originalRecipient: isOwner ? [] : recipient.originalRecipient, notify: notify)
        }
        envelope = made
        let place = DeliveryHeader.oneLine(recipient.address.externalForm)
        header = deliveredTo ? Array("Delivered-To: ".utf8) + place + Array("\r\n".utf8) : []
    }

    /// Hands the message to cleanup. A failure at any point defers: cleanup keeps nothing that was not committed.
    ///
    /// - Parameter socket: cleanup's.
    func submit(_ content: borrowing MessageContent, to socket: String, timeout: Int) -> RecipientOutcome {
        do {
            let connection = try BlockingIPCConnection.connect(path: socket, protocol: .cleanup)
            connection.timeout = timeout
            let stream = connection.open()
            try connection.send(CleanupFrame.submit, envelope.encoded, stream: stream)
            if !header.isEmpty { try connection.send(CleanupFrame.content, header, stream: stream) }
            try send(content, over: connection, stream: stream)
            try connection.send(CleanupFrame.commit, stream: stream)
            guard let frame = try connection.receive() else { throw IPCError.broken("closed without a reply") }
            return ForwardedMessage.outcome(try SubmitReply(frame: frame))
        } catch {
            return RecipientOutcome(.deferred, EnhancedStatusCode(4, 3, 0), "unable to forward message: \(error)", relay: "local")
        }
    }

    private func send(_ content: borrowing MessageContent, over connection: BlockingIPCConnection, stream: UInt32) throws {
        var position = 0
        while position < content.length {
            let piece = try content.piece(at: position, upTo: IPCFrame.chunkSize)
            position += piece.count
            try connection.send(CleanupFrame.content, piece, stream: stream)
        }
    }

    static func outcome(_ reply: SubmitReply) -> RecipientOutcome {
        switch reply {
        case .queued(let id): RecipientOutcome(.expanded, EnhancedStatusCode(2, 0, 0), "forwarded as \(id)", relay: "local")
        case .refused(let refusal) where refusal.isPermanentFailure:
            RecipientOutcome(
                .bounced, refusal.enhanced ?? EnhancedStatusCode(5, 0, 0), "unable to forward message: \(refusal)", relay: "local")
        case .refused(let refusal):
            RecipientOutcome(
                .deferred, refusal.enhanced ?? EnhancedStatusCode(4, 3, 0), "unable to forward message: \(refusal)", relay: "local")
        }
    }
}

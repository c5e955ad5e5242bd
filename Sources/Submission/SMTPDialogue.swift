// `sendmail -bs`: one SMTP session on standard input and output, whose messages go to `postdrop` like those of any other submission.
//
// As in Postfix: no relay control and no look-ups, the mail system need not be up, and a reply of 250 is exit status 0 of postdrop. Who
// submits is who runs the command.
// Security: no privileges. The protocol is SMTPServerSession's, which smtpd has too; what it lets through postdrop checks again.

import InternetMessage
import MailConfiguration
import MailModel
import MailQueue
import SMTPProtocol
import SystemKit

/// The session.
struct SMTPDialogue {
    private let options: SendmailOptions
    private let configuration: Configuration
    private let directory: String
    private let submitter: Submitter
    private var session: SMTPServerSession

    init(_ options: SendmailOptions, configuration: Configuration, directory: String) throws(CommandFailure) {
        self.options = options
        self.configuration = configuration
        self.directory = directory
        submitter = try Submitter.current(option: options.fullName)
        var policy = SMTPServerPolicy(hostName: configuration[Parameters.myhostname], banner: configuration[Parameters.smtpdBanner])
        if !configuration[Parameters.smtputf8Enable] { policy.features.remove(.smtpUTF8) }
        policy.messageSizeLimit = configuration[Parameters.messageSizeLimit]
        policy.recipientLimit = configuration[Parameters.smtpdRecipientLimit]
        policy.lineLengthLimit = configuration[Parameters.lineLengthLimit]
        // The client is a program of this user's: it writes whole dialogues into the pipe, and there is nobody to be slowed down.
        policy.forbidsUnauthorizedPipelining = false
        policy.errorSleepTime = 0
        session = SMTPServerSession(policy: policy)
    }

    /// The message under way: postdrop, and what encodes for it.
    private struct Message: ~Copyable {
        let postdrop: PostdropPipe
        var encoder = MaildropFileEncoder()

        mutating func add(_ content: [UInt8]) { _ = postdrop.write(encoder.content(content)) }

        consuming func commit(_ rest: [UInt8]) -> CommandStatus {
            if postdrop.write(encoder.content(rest)) { _ = postdrop.write(encoder.end()) }
            return postdrop.finish()
        }

        /// Without the end record postdrop removes what it has.
        consuming func abandon() { _ = postdrop.finish() }
    }

    /// Serves the client until it quits or closes.
    mutating func run() throws(CommandFailure) {
        var message: Message?
        session.greet()
        while true {
            switch session.next() {
            case .needsInput:
                try writeOutput()
                let input: [UInt8]
                do throws(SystemError) {
                    if try !Polling.isReadable(0, within: configuration[Parameters.smtpdTimeout] * 1000) {
                        let host = configuration[Parameters.myhostname]
                        session.terminate(SMTPReply(421, EnhancedStatusCode(4, 4, 2), "\(host) Error: timeout exceeded"))
                        continue
                    }
                    input = try FileDescriptor.borrowing(0) { stdin throws(SystemError) in try stdin.read(upTo: 64 << 10) }
                } catch {
                    throw CommandFailure(.dataError, "error reading input: \(error)")
                }
                if input.isEmpty {
                    message.take()?.abandon()
                    return
                }
                session.receive(input)
            case .checkHello, .checkSender, .checkRecipient, .verify: session.answer(nil)
            case .startContent(let transaction):
                do throws(CommandFailure) {
                    message = try begin(transaction)
                    session.answer(nil)
                } catch {
                    session.answer(refusal(error.status))
                }
            case .content: message?.add(session.takeContent())
            case .endContent:
                let rest = session.takeContent()
                let status = message.take()?.commit(rest) ?? .software
                session.answer(status == .ok ? SMTPReply(250, EnhancedStatusCode(2, 0, 0), "Ok: queued") : refusal(status))
            case .abandonContent: message.take()?.abandon()
            case .startTLS: session.terminate(nil)
            case .delay, .note: break
            case .close:
                message.take()?.abandon()
                return try writeOutput()
            }
        }
    }

    private func begin(_ transaction: SMTPTransaction) throws(CommandFailure) -> Message {
        var envelope = MessageSubmission.envelope(
            sender: transaction.mail.sender, recipients: [], options: options, submitter: submitter)
        envelope.recipients = transaction.recipients.map {
            EnvelopeRecipient($0.recipient, originalRecipient: $0.originalRecipient, notify: $0.notify)
        }
        envelope.envelopeID = transaction.mail.envelopeID
        envelope.returnContent = transaction.mail.returnContent
        envelope.body = transaction.mail.body
        envelope.isSMTPUTF8 = transaction.mail.isSMTPUTF8
        if let objection = MaildropFile.objection(to: envelope) { throw CommandFailure(.dataError, objection) }
        var message = Message(
            postdrop: try PostdropPipe(
                commandDirectory: configuration[Parameters.commandDirectory], configurationDirectory: directory))
        _ = message.postdrop.write(message.encoder.begin(envelope))
        return message
    }

    /// What postdrop said in words is on standard error.
    private func refusal(_ status: CommandStatus) -> SMTPReply {
        switch status {
        case .noPermission: SMTPReply(550, EnhancedStatusCode(5, 7, 1), "Error: not allowed to submit mail")
        case .dataError: SMTPReply(554, EnhancedStatusCode(5, 6, 0), "Error: message content or envelope rejected")
        default: SMTPReply(451, EnhancedStatusCode(4, 3, 0), "Error: queue file write error")
        }
    }

    private mutating func writeOutput() throws(CommandFailure) {
        let output = session.takeOutput()
        if output.isEmpty { return }
        do throws(SystemError) {
            try FileDescriptor.borrowing(1) { stdout throws(SystemError) in try stdout.writeAll(output) }
        } catch {
            throw CommandFailure(.ioError, "cannot write replies: \(error)")
        }
    }
}

// `sendmail -bv`: asks cleanup what it would say of each recipient, delivers nothing, and mails the answers to the caller.
//
// Known limits: the answer is that of the routing tables, as at RCPT; no other host is asked.

import InternetMessage
import MailConfiguration
import MailIPC
import MailModel
import MailQueue
import SystemKit

/// The report about addresses.
enum VerificationReport {
    static func submit(
        _ options: SendmailOptions, configuration: Configuration, directory: String
    ) throws(CommandFailure) -> CommandStatus {
        let submitter = try Submitter.current(option: options.fullName)
        let addressee = try MessageSubmission.sender(options, submitter)
        guard !addressee.isNull else { throw CommandFailure(.usage, "a report cannot be mailed to the null sender") }
        var recipients: [MailAddress] = []
        // As cleanup completes the recipients of a submission.
        let completion = AddressCompletion(
            origin: configuration[Parameters.appendAtMyorigin] ? configuration[Parameters.myorigin] : "",
            domain: configuration[Parameters.appendDotMydomain] ? configuration[Parameters.mydomain] : "")
        for argument in options.recipients { recipients += try RecipientList.addresses(argument).map(completion.complete) }
        guard !recipients.isEmpty else { throw CommandFailure(.usage, "No recipient addresses given") }
        let verdicts = try ask(recipients, queueDirectory: configuration[Parameters.queueDirectory])

        let content = text(to: addressee, verdicts, hostName: configuration[Parameters.myhostname])
        // The null sender: a report is never answered by another report (RFC 3464 section 2).
        var envelope = MessageSubmission.envelope(
            sender: .null, recipients: [addressee], options: options, submitter: submitter)
        envelope.recipients = [EnvelopeRecipient(addressee, notify: .never)]
        envelope.fullName = []
        let postdrop = try PostdropPipe(
            commandDirectory: configuration[Parameters.commandDirectory], configurationDirectory: directory)
        var encoder = MaildropFileEncoder()
        if postdrop.write(encoder.begin(envelope)) && postdrop.write(encoder.content(content)) { _ = postdrop.write(encoder.end()) }
        return postdrop.finish()
    }

    private static func ask(
        _ recipients: [MailAddress], queueDirectory: String
    ) throws(CommandFailure) -> [(MailAddress, RecipientVerdict)] {
        var out: [(MailAddress, RecipientVerdict)] = []
        do throws(IPCError) {
            let path = QueueDirectories(root: queueDirectory).socket("cleanup", isPrivate: false)
            let connection = try BlockingIPCConnection.connect(path: path, protocol: .cleanup)
            for recipient in recipients {
                let stream = connection.open()
                try connection.send(CleanupFrame.checkRecipient, recipient.encoded, stream: stream)
                guard let frame = try connection.receive() else { throw .broken("closed without an answer") }
                guard frame.type == CleanupFrame.verdict, let verdict = try? RecipientVerdict(decoding: frame.payload[...]) else {
                    throw .violation("frame type \(frame.type) where a verdict is due")
                }
                try connection.finish(stream)
                out.append((recipient, verdict))
                // The server's own end of the stream.
                while let end = try connection.receive(), end.stream != stream || end.type != MultiplexerFrame.end {}
            }
        } catch {
            throw CommandFailure(.temporaryFailure, "cannot verify addresses: \(error)")
        }
        return out
    }

    static func text(to addressee: MailAddress, _ verdicts: [(MailAddress, RecipientVerdict)], hostName: String) -> [UInt8] {
        var lines = [
            "From: MAILER-DAEMON (Mail Delivery System)",
            "To: \(addressee.logForm)",
            "Subject: Mail Delivery Status Report",
            "Auto-Submitted: auto-generated",
            "",
            "This is the mail system at host \(hostName).",
            "",
            "Enclosed is the mail delivery report that you requested.",
            "",
        ]
        for (address, verdict) in verdicts {
            let place =
                switch verdict.addressClass {
                case .local: "a local address"
                case .virtualAlias: "an alias of a virtual domain"
                case .virtualMailbox: "an address of a virtual mailbox domain"
                case .relay: "an address of a domain that is relayed"
                case .other: "an address elsewhere"
                }
            switch verdict.existence {
            case .known: lines.append("<\(address.logForm)>: deliverable (\(place))")
            case .unknown(let status, let reason):
                lines.append("<\(address.logForm)>: undeliverable (\(status) \(ASCII.printable(Array(reason.utf8))))")
            case .temporaryFailure(let reason):
                lines.append("<\(address.logForm)>: cannot be verified now (\(ASCII.printable(Array(reason.utf8))))")
            }
        }
        return Array((lines.joined(separator: "\r\n") + "\r\n").utf8)
    }
}

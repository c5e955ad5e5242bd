// One submission: standard input and the command line become an envelope and content, and postdrop makes them durable.
//
// Without `-t` the message streams from one pipe to the other. With `-t` its header is held back until all recipients are known, because
// the envelope goes first.

import MailConfiguration
import MailModel
import MailQueue
import SystemKit

/// sendmail in delivery mode.
struct MessageSubmission {
    private let options: SendmailOptions
    private let configuration: Configuration
    private let directory: String
    private let submitter: Submitter
    private let sender: MailAddress
    /// `-XV`: one bounce address for each recipient.
    private let verp: VERPDelimiters?

    /// Octets of header that `-t` looks through.
    private static let maximumHeader = 4 << 20

    init(_ options: SendmailOptions, configuration: Configuration, directory: String) throws(CommandFailure) {
        self.options = options
        self.configuration = configuration
        self.directory = directory
        submitter = try Submitter.current(option: options.fullName)
        sender = try MessageSubmission.sender(options, submitter)
        verp = try options.verpDelimiters.map { given throws(CommandFailure) in
            let text = given.isEmpty ? Array(configuration[Parameters.defaultVerpDelimiters].utf8) : given
            let filter = configuration[Parameters.verpDelimiterFilter]
            guard let delimiters = VERPDelimiters(text), text.allSatisfy({ filter.utf8.contains($0) }) else {
                throw CommandFailure(.usage, "-XV requires two characters from verp_delimiter_filter (\(filter))")
            }
            return delimiters
        }
    }

    /// `-f`, or the caller's login name, which cleanup completes to an address.
    static func sender(_ options: SendmailOptions, _ submitter: Submitter) throws(CommandFailure) -> MailAddress {
        guard let given = options.sender else { return MailAddress(localPart: Array(submitter.loginName.utf8), domain: []) }
        if given.isEmpty { return .null }
        let addresses = try RecipientList.addresses(given)
        guard addresses.count == 1 else { throw CommandFailure(.dataError, "bad sender address: \(ASCII.printable(given, limit: 256))") }
        return addresses[0]
    }

    func run() throws(CommandFailure) -> CommandStatus {
        var recipients: [MailAddress] = []
        for argument in options.recipients { recipients += try RecipientList.addresses(argument) }
        if options.mode == .verify { return try ask(about: recipients) }
        var message = StandardInputMessage(dotEndsInput: options.dotEndsInput)
        if !options.readsRecipientsFromHeader { return try submit(to: recipients, start: [], message: &message, header: nil) }

        var header = HeaderRecipients(maximumHeaderSize: MessageSubmission.maximumHeader)
        var start: [UInt8] = []
        while header.isInHeader {
            guard let piece = try MessageSubmission.next(&message) else {
                start += header.finish()
                break
            }
            start += try header.feed(piece)
        }
        for field in header.addressFields { recipients += try RecipientList.addresses(inField: field) }
        return try submit(to: recipients, start: start, message: &message, header: header)
    }

    /// `-bv`: pickup looks the recipients up and mails the answers to the caller. There is no message, and nothing is read.
    private func ask(about recipients: [MailAddress]) throws(CommandFailure) -> CommandStatus {
        guard !sender.isNull else { throw CommandFailure(.usage, "a report cannot be mailed to the null sender") }
        guard !recipients.isEmpty else { throw CommandFailure(.usage, "No recipient addresses given") }
        let envelope = MessageSubmission.envelope(sender: sender, recipients: recipients, options: options, submitter: submitter)
        if let objection = MaildropFile.objection(to: envelope) { throw CommandFailure(.dataError, objection) }
        let postdrop = try PostdropPipe(
            commandDirectory: configuration[Parameters.commandDirectory], configurationDirectory: directory)
        var encoder = MaildropFileEncoder()
        _ = postdrop.write(encoder.begin(envelope) + encoder.question() + encoder.end())
        return postdrop.finish()
    }

    private func submit(
        to recipients: [MailAddress], start: [UInt8], message: inout StandardInputMessage, header: HeaderRecipients?
    ) throws(CommandFailure) -> CommandStatus {
        guard !recipients.isEmpty else {
            throw CommandFailure(.usage, header == nil ? "No recipient addresses given" : "No recipient addresses found in message header")
        }
        let envelope = MessageSubmission.envelope(sender: sender, recipients: recipients, options: options, submitter: submitter)
        if let objection = MaildropFile.objection(to: envelope) { throw CommandFailure(.dataError, objection) }
        let limit = configuration[Parameters.messageSizeLimit]
        let maximum = limit > 0 ? limit : Int.max
        let postdrop = try PostdropPipe(
            commandDirectory: configuration[Parameters.commandDirectory], configurationDirectory: directory)
        var encoder = MaildropFileEncoder()
        var size = start.count
        let head = encoder.begin(envelope) + (verp.map { encoder.verp($0) } ?? [])
        var isWelcome = postdrop.write(head) && postdrop.write(encoder.content(start))
        while isWelcome, let piece = try MessageSubmission.next(&message) {
            size += piece.count
            // Without the end record postdrop removes what it has.
            guard size <= maximum else { throw CommandFailure(.unavailable, "message file too big") }
            isWelcome = postdrop.write(encoder.content(piece))
        }
        if isWelcome { _ = postdrop.write(encoder.end()) }
        return postdrop.finish()
    }

    static func envelope(
        sender: MailAddress, recipients: [MailAddress], options: SendmailOptions, submitter: Submitter
    ) -> Envelope {
        // `-v` asks for a report of the delivery (sendmail(1)); an explicit -N says it better.
        var notify = options.notify
        if notify.isEmpty && options.verbosity > 0 { notify = [.success, .failure, .delay] }
        let isInternational = sender.isInternationalized || recipients.contains(where: \.isInternationalized)
        return Envelope(
            sender: sender, recipients: recipients.map { EnvelopeRecipient($0, notify: notify) }, origin: .localSubmission,
            arrival: SystemClock.now(), envelopeID: options.envelopeID, returnContent: options.returnContent, body: options.body,
            isSMTPUTF8: options.isSMTPUTF8 || isInternational, userID: Int64(Privileges.realUser), fullName: submitter.fullName)
    }

    /// The next piece of content; nil at the end.
    private static func next(_ message: inout StandardInputMessage) throws(CommandFailure) -> [UInt8]? {
        while !message.isFinished {
            let input: [UInt8]
            do throws(SystemError) {
                input = try FileDescriptor.borrowing(0) { stdin throws(SystemError) in try stdin.read(upTo: 64 << 10) }
            } catch {
                throw CommandFailure(.dataError, "error reading input: \(error)")
            }
            let content = input.isEmpty ? message.finish() : message.feed(input)
            if !content.isEmpty { return content }
        }
        return nil
    }
}

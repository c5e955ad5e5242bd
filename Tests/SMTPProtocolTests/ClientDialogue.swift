// A scripted peer for ClientSession: no sockets, no clock. What the client says is recorded line by line; the replies come from a script.

import MailModel
import SMTPProtocol

/// Plays one session to its idle points.
struct ClientDialogue {
    var session: ClientSession
    /// Every line that the client wrote, without CRLF; content appears as `<content>` and `<chunk>`.
    var said: [String] = []
    /// Writes, to see what was pipelined: the number of lines in each.
    var batches: [Int] = []
    /// Replies by the verb of the command, taken in order; the last one stays.
    var replies: [String: [String]]
    /// After this many commands the connection is cut (nil: never).
    var cutAfterCommand: String?
    var timesOutAfterCommand: String?
    private var pending: [UInt8] = []
    private var isCut = false
    private var inData = false

    init(
        _ options: ClientSession.Options, greeting: String = "220 mx.example ESMTP", ehlo: String = "250 mx.example",
        replies: [String: [String]] = [:], cutAfterCommand: String? = nil, timesOutAfterCommand: String? = nil
    ) {
        session = ClientSession(options: options)
        var all: [String: [String]] = [
            "HELO": ["250 mx.example"], "STARTTLS": ["220 2.0.0 go"], "MAIL": ["250 2.1.0 ok"], "RCPT": ["250 2.1.5 ok"],
            "DATA": ["354 go"],
            "RSET": ["250 2.0.0 ok"], "QUIT": ["221 2.0.0 bye"], ".": ["250 2.0.0 Ok: queued as ABC"], "BDAT": ["250 2.0.0 chunk"],
            "EHLO": [ehlo], "LHLO": [ehlo],
        ]
        for (verb, list) in replies { all[verb] = list }
        self.replies = all
        self.cutAfterCommand = cutAfterCommand
        self.timesOutAfterCommand = timesOutAfterCommand
        pending = Array((greeting + "\r\n").utf8)
    }

    private mutating func answer(_ verb: String) {
        if cutAfterCommand == verb { isCut = true }
        guard !isCut, var list = replies[verb], let first = list.first else { return }
        if list.count > 1 { list.removeFirst() }
        replies[verb] = list
        pending += Array((first + "\r\n").utf8)
    }

    /// Runs until the session is idle or closed.
    mutating func run() {
        for _ in 0..<10_000 {
            switch session.nextAction() {
            case .write(let bytes): wrote(bytes)
            case .read:
                if !pending.isEmpty {
                    session.received(pending)
                    pending = []
                } else if timesOutAfterCommand != nil && !isCut {
                    session.timedOut()
                } else {
                    session.connectionLost()
                }
            case .startTLS: session.tlsStarted()
            case .sendContent:
                said.append("<content>")
                for _ in 0..<max(1, lmtpReplies) { answer(".") }
                if isCut { session.contentSent() } else { session.contentSent() }
            case .sendChunk:
                said.append("<chunk>")
                answer("BDAT")
                session.chunkSent(isLast: true)
            case .idle, .close: return
            }
        }
    }

    /// How many replies the peer gives after the data: 1, or what the test says for LMTP.
    var lmtpReplies = 1

    private mutating func wrote(_ bytes: [UInt8]) {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\r\n", omittingEmptySubsequences: true).map(String.init)
        batches.append(lines.count)
        for line in lines {
            said.append(line)
            answer(line == "." ? "." : String(line.prefix { $0 != " " }))
        }
    }

    /// Handshake, then one transaction.
    mutating func deliver(_ transaction: ClientTransaction) -> [ClientSession.Verdict] {
        run()
        if session.failure == nil {
            session.begin(transaction)
            run()
        }
        return session.takeVerdicts()
    }
}

func clientOptions(_ change: (inout ClientSession.Options) -> Void = { _ in }) -> ClientSession.Options {
    var options = ClientSession.Options(heloName: "sender.example", peer: "mx.example[192.0.2.1]")
    options.nextHop = "example"
    change(&options)
    return options
}

func clientTransaction(_ recipients: [String] = ["r@example"], size: Int = 100) -> ClientTransaction {
    ClientTransaction(
        sender: MailAddress("s@sender.example"), recipients: recipients.map { EnvelopeRecipient(MailAddress($0)) }, size: size)
}

/// A verdict in one line, for tables.
func describe(_ verdict: ClientSession.Verdict) -> String {
    switch verdict {
    case .accepted(let reply): "accepted \(reply.quoted)"
    case .failed(let failure): "\(failure.status) \(failure.reason)"
    }
}

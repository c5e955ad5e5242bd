// Plays a dialogue against a server session: `C:` lines go in, `S:` lines must come out, in exactly this order.

import MailModel
import SMTPProtocol

/// A session with a driver that knows a few recipients, keeps what was accepted, and never touches anything outside.
struct DialogueDriver {
    var session: SMTPServerSession
    var accepted: [(transaction: SMTPTransaction, content: [UInt8])] = []
    var notes: [SMTPServerNote] = []
    var delays = 0
    var abandoned = 0
    var closed: SMTPCloseReason?
    var wantsTLS = false
    var finalReply = SMTPReply(250, EnhancedStatusCode(2, 0, 0), "Ok: queued as 4Xz")
    private var gathered: [UInt8] = []

    init(_ policy: SMTPServerPolicy) {
        session = SMTPServerSession(policy: policy)
        session.greet()
    }

    /// Runs until input is needed; returns what the server wrote.
    mutating func run(_ bytes: [UInt8] = []) -> String {
        if !bytes.isEmpty { session.receive(bytes) }
        while closed == nil {
            switch session.next() {
            case .needsInput: return take()
            case .delay: delays += 1
            case .checkHello(_, let name):
                session.answer(name == "blocked.example" ? SMTPReply(550, EnhancedStatusCode(5, 7, 1), "no") : nil)
            case .checkSender(let command):
                session.answer(
                    command.sender.domain == Array("blocked.example".utf8) ? SMTPReply(550, EnhancedStatusCode(5, 7, 1), "no") : nil)
            case .checkRecipient(let command):
                session.answer(
                    command.recipient.localPart == Array("Green".utf8)
                        ? SMTPReply(550, EnhancedStatusCode(5, 1, 1), "No such user here") : nil)
            case .verify: session.answer(nil)
            case .startContent:
                gathered = []
                session.answer(nil)
            case .content: gathered += session.takeContent()
            case .endContent(let transaction):
                gathered += session.takeContent()
                accepted.append((transaction, gathered))
                session.answer(finalReply)
            case .abandonContent: abandoned += 1
            case .startTLS:
                wantsTLS = true
                return take()
            case .note(let note): notes.append(note)
            case .close(let reason): closed = reason
            }
        }
        return take()
    }

    private mutating func take() -> String { String(decoding: session.takeOutput(), as: UTF8.self) }
}

/// One scene: the lines of a dialogue.
func play(_ script: String, _ driver: inout DialogueDriver) -> [String] {
    var problems: [String] = []
    var heard = driver.run().replies
    for line in script.split(separator: "\n") {
        let text = String(line.drop { $0 == " " })
        if text.hasPrefix("C:") {
            if !heard.isEmpty { problems.append("not expected: \(heard)") }
            let sent = Array(text.dropFirst(text.hasPrefix("C: ") ? 3 : 2).utf8) + [13, 10]
            heard = driver.run(sent).replies
        } else if text.hasPrefix("S: ") {
            let expected = String(text.dropFirst(3))
            if heard.first != expected { problems.append("expected \(expected), got \(heard.first ?? "nothing")") }
            heard = Array(heard.dropFirst())
        }
    }
    if !heard.isEmpty { problems.append("not expected: \(heard)") }
    return problems
}

extension String {
    var replies: [String] { split(separator: "\r\n").map(String.init) }
}

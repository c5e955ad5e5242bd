// Says in plain words what an enhanced status code means, and what the sender can do about it.
//
// The reader of a notification is seldom an expert. The codes are those of RFC 3463 and of the registry of RFC 5248; the words follow the
// code alone, never the peer's text, which stands below them as technical details.

import MailModel

/// What happened, and what to do.
struct StatusExplanation: Equatable {
    /// A whole sentence.
    var cause: String
    /// A whole sentence; what the sender can do.
    var advice: String

    /// - Parameters:
    ///   - status: of the last attempt.
    ///   - domain: of the recipient, safe for text; empty where there is none.
    init(_ status: EnhancedStatusCode, domain: String) {
        let place = domain.isEmpty ? "this host" : domain
        switch (status.subject, status.detail) {
        case (1, 1), (1, 6):
            self.init(
                status.detail == 1 ? "There is no mailbox of this name at \(place)." : "The recipient no longer receives mail at \(place).",
                "Check the address for typing errors, or ask the recipient for the right one.")
        case (1, 2):
            self.init("The mail domain \(place) does not exist or cannot be found.", "Check the part of the address after the @ sign.")
        case (1, 3): self.init("The address is not written in a valid form.", "Check the address for typing errors.")
        case (1, 4): self.init("The address fits more than one mailbox.", "Ask the recipient for a more exact address.")
        case (1, 7), (1, 8):
            self.init("Your own address was not accepted as the sender.", "Check the sender address that your mail program uses.")
        case (1, 10): self.init("The domain \(place) says that it receives no mail at all.", "Ask the recipient for another address.")
        case (2, 1): self.init("The recipient's mailbox does not accept messages.", "Try to reach the recipient in another way.")
        case (2, 2):
            self.init("The recipient's mailbox is full.", "Try again later, or tell the recipient in another way.")
        case (2, 3), (3, 4):
            self.init("The message is too big for the recipient.", "Send a smaller message, for example without attachments.")
        case (2, 4): self.init("The recipient is a list that could not be expanded.", "Tell the owner of the list.")
        case (2, _): self.init("There is a problem with the recipient's mailbox.", "Try to reach the recipient in another way.")
        case (3, 1): self.init("The recipient's mail system has no room for more mail.", "Try again later.")
        case (3, 2): self.init("The recipient's mail system accepts no mail at present.", "Try again later.")
        case (3, 5), (3, 0), (3, _):
            self.init("The mail system has a technical problem.", "Try again later; if it lasts, tell the postmaster.")
        case (4, 1), (4, 2), (4, 0):
            self.init("The mail server for \(place) could not be reached.", "Check the part of the address after the @ sign, or try later.")
        case (4, 3): self.init("Information that is needed for delivery could not be looked up.", "Try again later.")
        case (4, 4): self.init("No way to \(place) could be found.", "Check the part of the address after the @ sign.")
        case (4, 5): self.init("The mail server for \(place) is too busy.", "Try again later.")
        case (4, 6): self.init("The message went around in a circle.", "Tell the postmaster; you cannot mend this yourself.")
        case (4, _): self.init("The message could not be brought to \(place) in time.", "Try again later.")
        case (5, 3): self.init("The message has too many recipients.", "Send it to fewer recipients at a time.")
        case (5, _):
            self.init("The mail server for \(place) did not understand ours.", "Tell the postmaster; you cannot mend this yourself.")
        case (6, 7), (6, 8), (6, 9), (6, 10):
            self.init(
                "The recipient's mail system cannot handle addresses or headers with international characters.",
                "Use an address and a subject with plain letters, if there is one.")
        case (6, _): self.init("The recipient's mail system cannot take the message in this form.", "Send it as plain text.")
        case (7, 1), (7, 0):
            self.init(
                "The message was refused by the rules of the mail server.",
                "See the technical details; the postmaster of \(place) can tell you more.")
        case (7, 2): self.init("You are not allowed to send to this list.", "Ask the owner of the list.")
        case (7, 20...27):
            self.init(
                "The recipient's mail server could not make sure that the message really comes from your domain.",
                "Tell the postmaster of your own domain.")
        case (7, _):
            self.init(
                "The message was refused for reasons of security.",
                "See the technical details; the postmaster of \(place) can tell you more.")
        case (1, _): self.init("There is a problem with the address.", "Check the address for typing errors.")
        default:
            self.init("The mail server gave no reason that can be put in plain words.", "See the technical details.")
        }
    }

    private init(_ cause: String, _ advice: String) {
        self.cause = cause
        self.advice = advice
    }
}

// Recipients and senders as people and programs write them: each argument and each header field is a list of RFC 5322.

import InternetMessage
import MailModel

enum RecipientList {
    /// The addresses of one argument: `bob`, `a@x, Name <b@y>` (sendmail(1): each recipient is an RFC 822 list).
    static func addresses(_ argument: [UInt8]) throws(CommandFailure) -> [MailAddress] {
        let list = AddressListParser.parse(argument)
        guard list.malformedCount == 0, !list.isTruncated, !list.addresses.isEmpty || !list.emptyGroups.isEmpty else {
            throw CommandFailure(.dataError, "bad address: \(ASCII.printable(argument, limit: 256))")
        }
        return list.addresses.map(\.address)
    }

    /// The addresses of a header field; an empty one names nobody.
    static func addresses(inField body: [UInt8]) throws(CommandFailure) -> [MailAddress] {
        let list = AddressListParser.parse(body)
        guard list.malformedCount == 0, !list.isTruncated else {
            throw CommandFailure(.dataError, "bad address list in the message header: \(ASCII.printable(body.prefix(256)))")
        }
        return list.addresses.map(\.address).filter { !$0.isNull }
    }
}

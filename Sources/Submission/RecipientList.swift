import MailModel
enum RecipientList {
    static func addresses(_ bytes: [UInt8]) throws(CommandFailure) -> [MailAddress] { [MailAddress(internalForm: bytes)] }
    static func addresses(inField bytes: [UInt8]) throws(CommandFailure) -> [MailAddress] { [MailAddress(internalForm: bytes)] }
}

// Who submits: the login name that becomes the sender, and the full name for a missing From field.

import MailModel
import SystemKit

/// The person or program that called sendmail.
struct Submitter: Sendable, Hashable {
    var loginName: String
    /// May be empty.
    var fullName: [UInt8]

    /// - Parameters:
    ///   - option: `-F`; it comes before `$NAME`, which comes before the user database (Postfix fullname.c).
    init(user: UserRecord, option: [UInt8]?, nameVariable: String?) {
        loginName = user.name
        if let option {
            fullName = Submitter.clean(option)
        } else if let nameVariable, !nameVariable.isEmpty {
            fullName = Submitter.clean(Array(nameVariable.utf8))
        } else {
            fullName = Submitter.clean(Submitter.fullName(gecos: user.gecos, login: user.name))
        }
    }

    /// The user of this process.
    static func current(option: [UInt8]?) throws(CommandFailure) -> Submitter {
        let id = Privileges.realUser
        let found: UserRecord?
        do throws(SystemError) {
            found = try UserDatabase.user(id: id)
        } catch {
            throw CommandFailure(.temporaryFailure, "\(error)")
        }
        guard let user = found else { throw CommandFailure(.osError, "no login name found for user ID \(id)") }
        return Submitter(user: user, option: option, nameVariable: ProcessSpawn.environmentVariable("NAME"))
    }

    /// The first field of the gecos entry, with `&` for the capitalised login name as the BSDs have it.
    static func fullName(gecos: String, login: String) -> [UInt8] {
        var out: [UInt8] = []
        for byte in gecos.utf8 {
            if byte == UInt8(ascii: ",") || byte == UInt8(ascii: ";") || byte == UInt8(ascii: "%") { break }
            if byte == UInt8(ascii: "&") {
                let name = Array(login.utf8)
                if let first = name.first { out.append(first >= 0x61 && first <= 0x7A ? first - 0x20 : first) }
                out += name.dropFirst()
            } else {
                out.append(byte)
            }
        }
        return out
    }

    /// A name has no line breaks or other control bytes, and an end.
    private static func clean(_ name: [UInt8]) -> [UInt8] {
        Array(name.prefix(512)).map { $0 < 0x20 || $0 == 0x7F ? UInt8(ascii: " ") : $0 }
    }
}

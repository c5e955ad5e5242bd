import MailModel
import SystemKit
import Testing

@testable import Submission

@Suite struct RecipientListTests {
    static let arguments: [(String, [String])] = [
        ("bob", ["bob"]), ("a@x, b@y", ["a@x", "b@y"]), ("Bob Smith <bob@x>", ["bob@x"]), ("\"b c\"@x", ["\"b c\"@x"]),
        ("friends: a@x, b@y;", ["a@x", "b@y"]), ("bob@x (Bob)", ["bob@x"]),
    ]

    @Test(arguments: arguments) func argument(_ text: String, _ expected: [String]) throws {
        #expect(try RecipientList.addresses(Array(text.utf8)).map(\.logForm) == expected)
    }

    @Test(arguments: ["", " ", ",", "@x", "bob@", "<bob"]) func badArguments(_ text: String) {
        #expect { try RecipientList.addresses(Array(text.utf8)) } throws: { ($0 as? CommandFailure)?.status == .dataError }
    }

    @Test func fields() throws {
        #expect(try RecipientList.addresses(inField: Array(" undisclosed-recipients:;".utf8)).isEmpty)
        #expect(try RecipientList.addresses(inField: Array("".utf8)).isEmpty)
        #expect { try RecipientList.addresses(inField: Array("a@x, \"broken".utf8)) } throws: {
            ($0 as? CommandFailure)?.status == .dataError
        }
    }
}

@Suite struct SubmitterTests {
    private func submitter(gecos: String, option: String? = nil, variable: String? = nil) -> String {
        let user = UserRecord(name: "bob", uid: 1, gid: 1, home: "/", shell: "", gecos: gecos)
        let made = Submitter(user: user, option: option.map { Array($0.utf8) }, nameVariable: variable)
        return String(decoding: made.fullName, as: UTF8.self)
    }

    @Test func fullName() {
        #expect(submitter(gecos: "Bob Smith,Room 1,,") == "Bob Smith")
        #expect(submitter(gecos: "& Smith") == "Bob Smith")
        #expect(submitter(gecos: "") == "")
        #expect(submitter(gecos: "Bob", variable: "Robert") == "Robert")
        #expect(submitter(gecos: "Bob", option: "CronDaemon", variable: "Robert") == "CronDaemon")
        #expect(submitter(gecos: "Bob", option: "a\nBcc: x") == "a Bcc: x")
    }
}

@Suite struct AuthorizedUsersTests {
    private func matches(_ name: String, _ entries: String...) throws -> Bool {
        try AuthorizedUsers(entries: entries, parameter: "authorized_submit_users").matches(name)
    }

    @Test func lists() throws {
        #expect(try matches("bob", "static:anyone"))
        #expect(try !matches("bob", "!bob", "static:anyone"))
        #expect(try matches("bob", "alice", "bob"))
        #expect(try !matches("bob", "alice"))
        #expect(try !matches("bob"))
    }

    /// What is not understood authorizes nobody.
    @Test(arguments: ["lmdb:/etc/users", "/etc/users"]) func tables(_ entry: String) {
        #expect { try matches("bob", entry) } throws: { ($0 as? CommandFailure)?.status == .configuration }
    }
}

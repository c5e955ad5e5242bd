import Testing

@testable import MailConfiguration

@Suite struct MasterFileTests {
    @Test func readsServicesWithOptions() throws {
        let file = try MasterFile.parse(
            text: """
                # service type private unpriv chroot wakeup maxproc command
                smtp      inet  n  -  y  -  1  smtpd
                127.0.0.1:10587 inet n - n - - smtpd
                  -o syslog_name=martlet/submission
                  -o { smtpd_relay_restrictions = permit_mynetworks, reject }
                  -v -oa=b
                [::1]:25  inet n - - - - smtpd
                pickup    unix  n  -  n  60? 1  pickup
                local     unix  -  n  n  -  0  local
                """)
        #expect(file.entries.map(\.service) == ["smtp", "127.0.0.1:10587", "[::1]:25", "pickup", "local"])
        let smtp = file.entries[0]
        #expect(smtp.type == .inet && !smtp.isPrivate && smtp.isUnprivileged && smtp.isChrooted && smtp.processLimit == 1)
        #expect(smtp.inetHost == "" && smtp.inetPort == "smtp" && smtp.line == 2)
        let submission = file.entries[1]
        #expect(submission.inetHost == "127.0.0.1" && submission.inetPort == "10587" && submission.processLimit == nil)
        #expect(
            submission.overrides == [
                Assignment(name: "syslog_name", value: "martlet/submission"),
                Assignment(name: "smtpd_relay_restrictions", value: "permit_mynetworks, reject"), Assignment(name: "a", value: "b"),
            ])
        #expect(submission.arguments == ["-v"])
        #expect(file.entries[2].inetHost == "::1" && file.entries[2].inetPort == "25")
        #expect(file.entries[3].wakeup == 60 && file.entries[3].wakesOnlyAfterUse)
        #expect(file.entries[4].isPrivate && !file.entries[4].isUnprivileged && file.entries[4].processLimit == 0)
    }

    @Test func everyErrorIsReported() {
        let text = """
              smtp inet n - n - - smtpd
            smtp inet n - n - -
            a fifo n - n - - b
            b unix x y n never many ../sh
            c unix - - n - - smtp -o
            d unix - - n - - smtp -o nothing
            e unix - - n - - smtp -o { a = b
            f unix - - n - - smtp
            f unix - - n - - smtp
            a/b unix - - n - - smtp
            1:2:3 inet n - n - - smtpd
            99999 inet n - n - - smtpd
            """
        var lines: [Int] = []
        do {
            _ = try MasterFile.parse(text: text)
        } catch {
            lines = error.problems.map(\.line)
        }
        #expect(lines == [1, 2, 3, 4, 4, 4, 4, 5, 6, 7, 9, 10, 11, 12])
    }
}

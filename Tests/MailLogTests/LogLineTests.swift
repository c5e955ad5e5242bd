import Testing

@testable import MailLog

@Suite struct LogLineTests {
    @Test(arguments: [
        (0 as Int64, 0, "Jan  1 00:00:00"),
        (1_700_768_286_999_999, 0, "Nov 23 19:38:06"),
        (1_700_768_286_000_000, 3600, "Nov 23 20:38:06"),
        (1_709_164_800_000_000, 0, "Feb 29 00:00:00"),
        (1_709_251_199_000_000, 0, "Feb 29 23:59:59"),
        (1_709_251_200_000_000, 0, "Mar  1 00:00:00"),
        (1_735_689_599_000_000, 0, "Dec 31 23:59:59"),
        (1_735_689_599_000_000, 1, "Jan  1 00:00:00"),
        (-1, 0, "Dec 31 23:59:59"),
        (4_107_542_400_000_000, 0, "Mar  1 00:00:00"),
    ])
    func timestamps(microseconds: Int64, offset: Int, expected: String) {
        #expect(LogLine.timestamp(microseconds, offset: offset) == expected)
    }

    @Test(arguments: [
        ("plain text <a@b>", "plain text <a@b>"),
        ("two\r\nlines\0\u{1b}[2J\u{7f}", "two??lines??[2J?"),
        ("grüße", "grüße"),
        ("\u{85}\u{2028}\u{fffd}", "???"),
    ])
    func controlCharactersNeverPass(text: String, expected: String) { #expect(LogLine.safe(text) == expected) }

    @Test func longTextIsCut() {
        #expect(LogLine.safe(String(repeating: "x", count: 5000)).utf8.count == LogLine.textLimit)
        #expect(LogLine.safe(String(repeating: "ü", count: 5000)).utf8.count == LogLine.textLimit)
    }

    @Test func formsOfALine() {
        let file = LogLine.file(timestamp: "Nov 23 19:38:06", host: "host", tag: "martlet/qmgr", processID: 123, text: "4B7: removed")
        #expect(String(decoding: file, as: UTF8.self) == "Nov 23 19:38:06 host martlet/qmgr[123]: 4B7: removed\n")
        let syslog = LogLine.syslog(
            severity: 6, timestamp: "Nov 23 19:38:06", tag: "postfix/smtpd", processID: 9, text: "connect from a[1]")
        #expect(String(decoding: syslog, as: UTF8.self) == "<22>Nov 23 19:38:06 postfix/smtpd[9]: connect from a[1]")
    }

    @Test func journalFieldsAreChecked() {
        let datagram = LogLine.journal(
            severity: 4, tag: "martlet/smtp", processID: 7, text: "t",
            fields: [("QUEUE_ID", "4B7"), ("_PID", "1"), ("bad", "x"), ("DSN", "4.0.0\nMESSAGE=forged")])
        let expected = """
            MESSAGE=t
            PRIORITY=4
            SYSLOG_FACILITY=2
            SYSLOG_IDENTIFIER=martlet/smtp
            SYSLOG_PID=7
            QUEUE_ID=4B7
            DSN=4.0.0?MESSAGE=forged

            """
        #expect(String(decoding: datagram, as: UTF8.self) == expected)
    }
}

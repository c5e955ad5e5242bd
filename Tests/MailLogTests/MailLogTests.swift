import MailConfiguration
import SystemKit
import Testing

@testable import MailLog

@Suite struct MailLogTests {
    @Test func linesGoToAFileWithTheirPrefixes() throws {
        let path = "/tmp/maillog-\(ProcessSpawn.currentProcessID)-\(UInt64.random(in: 0...UInt64.max))"
        defer { try? Files.unlink(path) }
        let now: Int64 = 1_700_768_286_000_000
        let log = MailLog(program: "qmgr", syslogName: "martlet", destination: .file(path), processID: 123, clock: { now })
        log.info("4B7: removed", fields: Self.unwanted())
        log.warning("w\n")
        log.named("submission/smtpd").error("e")
        log.fatal("f")
        log.panic("p")
        try Files.rename(path, path + ".1")
        defer { try? Files.unlink(path + ".1") }
        log.info("to the moved file")
        try log.reopen()
        log.info("to the new file")

        let stamp = LogLine.timestamp(now, offset: SystemClock.localOffset(at: now / 1_000_000))
        let start = "\(stamp) \(HostName.current.prefix { $0 != "." }) martlet/"
        let lines = [
            "qmgr[123]: 4B7: removed", "qmgr[123]: warning: w?", "submission/smtpd[123]: error: e", "qmgr[123]: fatal: f",
            "qmgr[123]: panic: p", "qmgr[123]: to the moved file",
        ]
        #expect(try text(path + ".1") == lines.map { start + $0 + "\n" }.joined())
        #expect(try text(path) == start + "qmgr[123]: to the new file\n")
        #expect(try Files.status(of: path).mode & 0o007 == 0)
    }

    /// A classic destination never asks for facts, so that they cost nothing.
    private static func unwanted() -> LogFields {
        Issue.record("facts were made that nobody writes")
        return [:]
    }

    @Test func factsGoToAFileOfJSON() throws {
        let path = "/tmp/maillog-\(ProcessSpawn.currentProcessID)-\(UInt64.random(in: 0...UInt64.max))"
        defer { try? Files.unlink(path) }
        let log = MailLog(program: "qmgr", syslogName: "martlet", destination: .jsonFile(path), processID: 123, clock: { 0 })
        #expect(log.takesFields)
        log.info("one", fields: ["size": 5])
        log.warning("two", fields: ["event": "x"])
        log.fatal("three")
        let host = HostName.current.prefix { $0 != "." }
        func line(_ rest: String) -> String {
            "{\"time\":\"1970-01-01T00:00:00.000000Z\",\"host\":\"\(host)\",\"program\":\"qmgr\",\"tag\":\"martlet/qmgr\",\"pid\":123,\(rest)}\n"
        }
        #expect(
            try text(path) == line(#""severity":"info","message":"one","size":5"#)
                + line(#""severity":"warning","message":"warning: two","event":"x""#)
                + line(#""severity":"fatal","message":"fatal: three""#))
    }

    @Test(arguments: [
        ("maillog_file = /var/log/x", MailLog.Destination.file("/var/log/x")),
        ("maillog_file = /var/log/x\nmaillog_format = JSON", .jsonFile("/var/log/x")),
        ("maillog_journal = no", .syslog),
        ("maillog_journal = yes", .journal),
        ("maillog_format = json\nmaillog_journal = no", .syslog),
    ])
    func mainFileChoosesTheDestination(text: String, expected: MailLog.Destination) throws {
        #expect(MailLog.Destination(try Configuration(text: text)) == expected)
    }

    private func text(_ path: String) throws -> String { String(decoding: try Files.contents(of: path), as: UTF8.self) }

    @Test func aDestinationThatCannotBeOpenedIsReplaced() {
        let log = MailLog(program: "test", syslogName: "martlet", destination: .file("/nonexistent/log"))
        log.info("this goes to standard error")
        #expect(log.tag == "martlet/test")
    }
}

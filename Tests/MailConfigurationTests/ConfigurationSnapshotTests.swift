import SystemKit
import Testing

@testable import MailConfiguration

@Suite struct ConfigurationSnapshotTests {
    private let main = "# a comment\nmyhostname = mail.example.org\n\nmessage_size_limit = 12345\nslow_destination_rate_delay = 3s\n"
    private let master = "slow unix - - n - - smtp\n  -o message_size_limit=77\n"

    @Test func theEncodedFormGivesTheSameValuesWithoutFiles() throws {
        let snapshot = ConfigurationSnapshot(main: main, master: master, directory: "/nonexistent", hostName: "box")
        let copy = try #require(ConfigurationSnapshot(encoded: snapshot.encoded))
        #expect(copy == snapshot)
        let configuration = try copy.configuration()
        #expect(configuration[Parameters.messageSizeLimit] == 12345)
        #expect(configuration[Parameters.configDirectory] == "/nonexistent")
        #expect(configuration.transportParameter(.destinationRateDelay, transport: "slow") == 3)
        #expect(configuration.line(of: "message_size_limit") == 4)
        #expect(try copy.configuration(overrides: [("message_size_limit", "77")])[Parameters.messageSizeLimit] == 77)
        #expect(try copy.masterFile().entries.map(\.service) == ["slow"])
    }

    @Test func problemsNameFileAndLineOfTheOriginal() throws {
        let snapshot = ConfigurationSnapshot(main: main + "max_idle = never\nmesage_size_limit = 1\n", master: master)
        let copy = try #require(ConfigurationSnapshot(encoded: snapshot.encoded))
        let error = #expect(throws: ConfigurationErrors.self) { try copy.configuration() }
        #expect(error?.problems.map { "\($0.file):\($0.line)" } == ["/etc/martlet/main.cf:6"])
    }

    @Test func theFileThatMyoriginNamesIsReadOnceAndKept() throws {
        let base = ProcessSpawn.environmentVariable("TMPDIR") ?? "/tmp"
        let path = "\(base)/mailname-\(ProcessSpawn.currentProcessID)-\(UInt32.random(in: 0...UInt32.max))"
        try FileDescriptor.open(path, [.writeOnly, .create], mode: 0o644).writeAll(Array("example.org\n".utf8))
        defer { try? Files.unlink(path) }
        var snapshot = ConfigurationSnapshot(main: "myorigin = \(path)\n", master: "")
        #expect(throws: ConfigurationErrors.self) { try snapshot.configuration() }
        #expect(try snapshot.check()[Parameters.myorigin] == "example.org")
        try FileDescriptor.open(path, [.writeOnly, .truncate]).writeAll(Array("example.com\n".utf8))
        let copy = try #require(ConfigurationSnapshot(encoded: snapshot.encoded))
        #expect(try copy.configuration()[Parameters.myorigin] == "example.org")
    }

    @Test func anythingElseIsNoSnapshot() {
        let whole = ConfigurationSnapshot(main: main, master: master).encoded
        for length in 0..<whole.count { #expect(ConfigurationSnapshot(encoded: Array(whole.prefix(length))) == nil) }
        #expect(ConfigurationSnapshot(encoded: whole + [0]) == nil)
        #expect(ConfigurationSnapshot(encoded: whole + [0, 0, 0, 0]) == nil)
        #expect(ConfigurationSnapshot(encoded: Array(whole.dropLast(100)) + [0xFF, 0xFF, 0xFF, 0xFF]) == nil)
    }

    @Test func aReportComesBackAsItWas() {
        let report = ReloadReport(processID: 12, attempt: 3, inUseSince: 1_790_000_000, refusals: ["/etc/martlet/main.cf:3: a b", "c\nd"])
        #expect(
            ReloadReport(text: report.text)
                == ReloadReport(processID: 12, attempt: 3, inUseSince: 1_790_000_000, refusals: ["/etc/martlet/main.cf:3: a b", "c d"]))
        #expect(ReloadReport(text: Array("pid 1\nattempt x\nsince 2\n".utf8)) == nil)
        #expect(ReloadReport(text: []) == nil)
    }
}

import MailModel
import Testing

@testable import Submission

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

private func parse(_ line: String, program: String = "/usr/sbin/sendmail") throws -> SendmailOptions {
    // Words are separated by blanks; `''` is the empty word.
    try SendmailOptions(program: bytes(program), words: line.split(separator: " ").map { $0 == "''" ? [] : bytes(String($0)) })
}

/// What a caller of Debian 12 passes, and what must come of it.
struct Caller: Sendable, CustomTestStringConvertible {
    let name: String
    let line: String
    var recipients: [String] = []
    var fromHeader = false
    var dotEnds = true
    var sender: String?
    var fullName: String?
    var body = BodyType.unspecified

    var testDescription: String { name }
}

@Suite struct SendmailOptionsTests {
    static let callers: [Caller] = [
        Caller(
            name: "cron", line: "-FCronDaemon -i -B8BITMIME -oem root", recipients: ["root"], dotEnds: false, fullName: "CronDaemon",
            body: .eightBitMIME),
        Caller(
            name: "cronie", line: "-FCronDaemon -i -odi -oem -oi -t -f root", fromHeader: true, dotEnds: false, sender: "root",
            fullName: "CronDaemon"),
        Caller(name: "anacron", line: "-FAnacron -odi root", recipients: ["root"], fullName: "Anacron"),
        Caller(name: "at", line: "-i bob", recipients: ["bob"], dotEnds: false),
        Caller(
            name: "mutt", line: "-oem -oi -f me@x -B8BITMIME -- a@x b@y", recipients: ["a@x", "b@y"], dotEnds: false, sender: "me@x",
            body: .eightBitMIME),
        Caller(name: "bsd-mailx", line: "-i -r me@x -m bob", recipients: ["bob"], dotEnds: false, sender: "me@x"),
        Caller(name: "alpine", line: "-oem -t -oi", fromHeader: true, dotEnds: false),
        Caller(name: "git send-email", line: "-f me@x -i a@x b@y", recipients: ["a@x", "b@y"], dotEnds: false, sender: "me@x"),
        Caller(name: "PHP", line: "-t -i", fromHeader: true, dotEnds: false),
        Caller(name: "PHP with -f attached", line: "-t -i -fwww@x", fromHeader: true, dotEnds: false, sender: "www@x"),
        Caller(name: "unattended-upgrades", line: "-oi -t", fromHeader: true, dotEnds: false),
        Caller(name: "mdadm, logwatch, sudo", line: "-t", fromHeader: true),
        Caller(name: "Email::Sender", line: "-i -f me@x -- bob", recipients: ["bob"], dotEnds: false, sender: "me@x"),
        Caller(name: "ruby-mail", line: "-i -f me@x -- bob", recipients: ["bob"], dotEnds: false, sender: "me@x"),
        Caller(name: "mime-construct", line: "-oi bob", recipients: ["bob"], dotEnds: false),
        Caller(
            name: "popularity-contest", line: "-oi -f me@x survey@popcon", recipients: ["survey@popcon"], dotEnds: false, sender: "me@x"),
        Caller(name: "rkhunter", line: "root", recipients: ["root"]),
        Caller(name: "vacation", line: "-f <> -- bob@x", recipients: ["bob@x"], sender: ""),
        Caller(name: "sieve, empty sender", line: "-f '' -- bob@x", recipients: ["bob@x"], sender: ""),
        Caller(name: "maildrop", line: "-oi bob", recipients: ["bob"], dotEnds: false),
        Caller(name: "cluster", line: "-it", fromHeader: true, dotEnds: false),
        Caller(name: "cluster with argument", line: "-itfme@x", fromHeader: true, dotEnds: false, sender: "me@x"),
        Caller(
            name: "ignored options", line: "-Am -c -E -J -m -n -U -x -h 5 -L tag -X /log -p smtp -o7 -O DeliveryMode=b -em -oA/x bob",
            recipients: ["bob"], body: .sevenBit),
    ]

    @Test(arguments: callers) func caller(_ caller: Caller) throws {
        let options = try parse(caller.line)
        #expect(options.mode == .deliver)
        #expect(options.recipients == caller.recipients.map(bytes))
        #expect(options.readsRecipientsFromHeader == caller.fromHeader)
        #expect(options.dotEndsInput == caller.dotEnds)
        #expect(options.sender == caller.sender.map(bytes))
        #expect(options.fullName == caller.fullName.map(bytes))
        #expect(options.body == caller.body)
        #expect(options.warnings.isEmpty)
    }

    /// An address that begins with a minus sign must not become an option behind another address, or behind `--`.
    @Test(arguments: ["bob -Xfile@x", "-- -Xfile@x", "-i -- -t"]) func addressesAreNoOptions(_ line: String) throws {
        let options = try parse(line)
        #expect(options.recipients.last.map { $0.first == UInt8(ascii: "-") } == true)
        #expect(!options.readsRecipientsFromHeader)
    }

    @Test(arguments: [
        ("-bm bob", SendmailOptions.Mode.deliver), ("-bv bob", .verify), ("-bs", .smtpSession), ("-bp", .listQueue), ("-bi", .buildAliases),
        ("-I", .buildAliases), ("-bd", .startDaemon), ("-bl", .startDaemon), ("-bh", .nothing), ("-bH", .nothing), ("-q", .flush(.all)),
        ("-q30m", .nothing), ("-bd -q30m", .startDaemon), ("-bd -q", .startDaemon),
        ("-qI4abc123456", .flush(.message(bytes("4abc123456")))),
        ("-qRexample.org", .flush(.site(bytes("example.org")))),
    ])
    func mode(_ line: String, _ mode: SendmailOptions.Mode) throws { #expect(try parse(line).mode == mode) }

    @Test func modeByName() throws {
        #expect(try parse("", program: "/usr/bin/mailq").mode == .listQueue)
        #expect(try parse("", program: "newaliases").mode == .buildAliases)
    }

    @Test(arguments: [
        "", "-i", "-Z bob", "-bt", "-bx", "-f", "-qS", "-qI", "-qR", "-B9BIT bob", "-O requiretls=yes bob",
        "-bs -t", "-bp -t",
        "-oA bob", "-bv -t",
    ])
    func usageErrors(_ line: String) {
        #expect { try parse(line) } throws: { ($0 as? CommandFailure)?.status == .usage }
    }

    @Test func deliveryStatusNotification() throws {
        let options = try parse("-Nsuccess,DELAY -R hdrs -V id+1=x -v bob")
        #expect(options.notify == [.success, .delay])
        #expect(options.returnContent == .headers)
        #expect(options.envelopeID == bytes("id+1=x"))
        #expect(options.verbosity == 1)
        #expect(try parse("-N never bob").notify == .never)
        #expect(try parse("-N never,success bob").warnings.count == 1)
        #expect(try parse("-N sometimes bob").warnings.count == 1)
        #expect(try parse("-R half bob").warnings.count == 1)
    }

    @Test func wordsNeedNotBeUTF8() throws {
        let options = try SendmailOptions(program: [], words: [bytes("-F") + [0xFF, 0xFE], [0xE9, 0x40, 0x78]])
        #expect(options.fullName == [0xFF, 0xFE])
        #expect(options.recipients == [[0xE9, 0x40, 0x78]])
    }

    @Test func smtpUTF8() throws {
        #expect(try parse("-O smtputf8=yes bob").isSMTPUTF8)
        #expect(try !parse("-O smtputf8=no bob").isSMTPUTF8)
    }
}

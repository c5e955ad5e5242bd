// Postfix's command names: their options, lines and tables. What they print as a whole is compared with Postfix's own in
// Tests/SystemTests/test_classic.py.

import MailConfiguration
import MailModel
import Testing

@testable import Administration

@Suite struct ClassicOptionsTests {
    private func options(_ words: [String]) throws -> ClassicOptions {
        try ClassicOptions(ClassicSession(name: "test", arguments: words), "ab:c", usage: "[-ac] [-b x] word...")
    }

    @Test(arguments: [
        (["-a", "-c", "x"], "a= c=", ["x"]), (["-acb", "v", "x"], "a= c= b=v", ["x"]), (["-bv", "-b", "w"], "b=v b=w", []),
        (["x", "-a"], "", ["x", "-a"]), (["-a", "--", "-c"], "a=", ["-c"]), (["-", "-a"], "", ["-", "-a"]), ([], "", []),
    ])
    func areReadAsGetoptDoes(_ words: [String], _ expected: String, _ operands: [String]) throws {
        let options = try options(words)
        #expect(options.options.map { "\($0.letter)=\($0.argument)" }.joined(separator: " ") == expected)
        #expect(options.operands == operands)
    }

    @Test(arguments: [["-z"], ["-b"], ["-az"], ["-:"]]) func areRefused(_ words: [String]) {
        #expect(throws: ClassicFailure.self) { try options(words) }
    }

    @Test func isNoClassicCommand() {
        #expect(ClassicCommands.run(["/usr/sbin/martlet", "-n"]) == nil)
        #expect(ClassicCommands.run([]) == nil)
    }
}

@Suite struct MasterTextTests {
    /// As Debian's Postfix 3.7 prints them.
    @Test(arguments: [
        ("smtp inet n - y - - smtpd", "smtp       inet  n       -       y       -       -       smtpd"),
        (
            "127.0.0.1:10025 inet n - n - - smtpd -o a=b -v",
            "127.0.0.1:10025 inet n   -       n       -       -       smtpd\n    -o a=b\n    -v"
        ),
        (
            "x unix - n n - - pipe\n  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}",
            "x          unix  -       n       n       -       -       pipe flags=DRXhu\n    user=vmail argv=/usr/bin/maildrop -d ${recipient}"
        ),
        (
            "x inet n - n - - smtpd -o { smtpd_banner = a b }",
            "x          inet  n       -       n       -       -       smtpd\n    -o {smtpd_banner=a b}"
        ),
    ])
    func foldsAsPostfixDoes(_ line: String, _ expected: String) throws {
        let entry = try #require(MasterText(Array(line.utf8)).entries.first)
        #expect(MasterText.line(entry, isFolding: true) == expected)
    }

    @Test func editsLeaveTheRestAlone() {
        let text = MasterText(Array("# a\nx unix - - n - - x\n  -o a=b\n# b\ny unix - - n - - y\n\n# c\n".utf8))
        let removed = text.edited { $0.service == "x" ? .remove : .keep }
        #expect(String(decoding: removed, as: UTF8.self) == "# a\n# b\ny unix - - n - - y\n\n# c\n")
        let commented = text.edited { $0.service == "x" ? .commentOut : .keep }
        #expect(String(decoding: commented, as: UTF8.self) == "# a\n#x unix - - n - - x\n#  -o a=b\n# b\ny unix - - n - - y\n\n# c\n")
        #expect(text.edited { _ in .keep } == Array("# a\nx unix - - n - - x\n  -o a=b\n# b\ny unix - - n - - y\n\n# c\n".utf8))
    }

    @Test func namesLinesThatAreNoEntry() {
        let text = MasterText(Array("x unix - -\n\ny unix - - n - - y\n".utf8))
        #expect(text.problems.map(\.line) == [1])
        #expect(text.entries.map(\.service) == ["y"])
    }
}

@Suite struct QueueShapeTests {
    /// The output of Postfix's qshape for these messages, seven of one sender domain and mail of three ages.
    @Test func isPostfixsTable() {
        var shape = QueueShape(now: 1_000_000)
        for _ in 0..<6 { shape.add(address: MailAddress("x@example.org"), arrival: 999_990) }
        shape.add(address: MailAddress("x@Example.Org"), arrival: 1_000_000 - 11 * 60)
        for _ in 0..<6 { shape.add(address: MailAddress("y@other.test"), arrival: 0) }
        #expect(
            shape.table() == """
                                                         T  5 10 20 40 80 160 320 640 1280 1280+
                                                  TOTAL 13  6  0  1  0  0   0   0   0    0     6
                                            example.org  7  6  0  1  0  0   0   0   0    0     0
                                             other.test  6  0  0  0  0  0   0   0   0    0     6

                """)
    }

    @Test(arguments: [(0, 1), (299, 1), (300, 2), (599, 2), (600, 3), (1199, 3), (1200, 4), (1_000_000, 10)])
    func agesDouble(_ seconds: Int64, _ bucket: Int) {
        var shape = QueueShape(now: 2_000_000)
        shape.add(address: MailAddress("x@a.test"), arrival: 2_000_000 - seconds)
        let cells = shape.table().split(separator: "\n")[1].split(separator: " ").dropFirst()
        #expect(cells.enumerated().filter { $0.offset > 0 && $0.element == "1" }.map(\.offset) == [bucket])
    }

    @Test func parentsCountTheirSubdomains() {
        var shape = QueueShape(countsParents: true, minimumSubdomains: 2, now: 0)
        for name in ["a.example.org", "b.example.org", "b.example.org", "x.y.test"] {
            shape.add(address: MailAddress("u@\(name)"), arrival: 0)
        }
        let rows = shape.table().split(separator: "\n").dropFirst().map { $0.split(separator: " ").prefix(2).joined(separator: " ") }
        #expect(rows == ["TOTAL 4", ".example.org 3", "b.example.org 2", "x.y.test 1", "a.example.org 1"])
    }

    @Test func longNamesLoseTheirBeginning() {
        var shape = QueueShape(now: 0)
        shape.add(address: MailAddress("u@" + String(repeating: "a", count: 60) + ".example.org"), arrival: 0)
        shape.add(address: .null, arrival: 0)
        let rows = shape.table().split(separator: "\n")
        #expect(rows.allSatisfy { $0.utf8.count == 80 })
        #expect(rows.contains { $0.hasPrefix("+aaaa") && $0.contains(".example.org  1") })
        #expect(rows.contains { $0.contains("MAILER-DAEMON  1") })
    }
}

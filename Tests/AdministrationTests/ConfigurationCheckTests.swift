import MailConfiguration
import SystemKit
import Testing

@testable import Administration

@Suite struct ConfigurationCheckTests {
    /// A configuration directory of its own, removed after the test.
    final class Instance {
        let path: String
        init() throws {
            var random = SystemRandomNumberGenerator()
            path = "/tmp/martlet-check-\(UInt64.random(in: 0...UInt64.max, using: &random))"
            try Files.makeDirectory(path)
        }
        func write(_ name: String, _ text: String) throws {
            let file = try FileDescriptor.open(path + "/" + name, [.writeOnly, .create, .truncate], mode: 0o644)
            try file.writeAll(Array(text.utf8))
        }
        deinit {
            for name in (try? Files.directoryEntries(path)) ?? [] { try? Files.unlink(path + "/" + name) }
            try? Files.removeDirectory(path)
        }
    }

    private func good(_ instance: Instance) throws {
        try instance.write(
            "main.cf",
            """
            queue_directory = \(instance.path)/queue
            daemon_directory = \(instance.path)
            command_directory = \(instance.path)
            alias_maps = inline:{root=phil}

            """)
        let services = ["cleanup", "qmgr", "bounce", "pickup", "resolver", "smtp", "local"]
        try instance.write("master.cf", services.map { "\($0) unix - n n - 1 \($0)\n" }.joined())
        for service in services { try instance.write(service, "") }
    }

    @Test func aGoodConfigurationHasNoErrors() throws {
        let instance = try Instance()
        try good(instance)
        let check = ConfigurationCheck(directory: instance.path, isRoot: false)
        #expect(check.errors == [])
        #expect(check.warnings == [])
    }

    /// Against a default, too.
    @Test(arguments: [("1h", "30m", 2), ("2h", "", 1), ("", "10s", 1), ("1h", "1h", 0)])
    func backoffTimesThatContradictEachOtherAreToldOf(least: String, most: String, count: Int) throws {
        let instance = try Instance()
        try good(instance)
        let lines = [("minimal_backoff_time", least), ("maximal_backoff_time", most)].filter { !$0.1.isEmpty }
        let main = try FileDescriptor.open(instance.path + "/main.cf", [.writeOnly, .append])
        try main.writeAll(Array(lines.map { "\($0.0) = \($0.1)\n" }.joined().utf8))
        let check = ConfigurationCheck(directory: instance.path, isRoot: false)
        #expect(check.errors == [])
        #expect(check.warnings.filter { $0.text.contains("is longer than maximal_backoff_time") }.count == count)
        #expect(check.warnings.count == count && check.warnings.allSatisfy { $0.line > 4 })
    }

    @Test func servicesOfPostfixThatAreNotNeededAreLeftAlone() throws {
        let instance = try Instance()
        try good(instance)
        let master = String(decoding: try Files.contents(of: instance.path + "/master.cf"), as: UTF8.self)
        try instance.write(
            "master.cf", master + "tlsmgr unix - - n 1000? 1 tlsmgr\nrewrite unix - - n - - trivial-rewrite\n")
        let check = ConfigurationCheck(directory: instance.path, isRoot: false)
        #expect(check.errors == [])
        #expect(check.warnings.filter { $0.text.hasSuffix("is not needed here, and left alone") }.map(\.line) == [8, 9])
    }

    @Test func aRootDirectoryOfItsOwnIsForProgramsThatNeedNoNames() throws {
        let instance = try Instance()
        try good(instance)
        let master = String(decoding: try Files.contents(of: instance.path + "/master.cf"), as: UTF8.self)
        try instance.write("master.cf", master + "other unix n y y - 1 cleanup\n127.0.0.1:2525 inet n y y - 1 smtp\n")
        let check = ConfigurationCheck(directory: instance.path, isRoot: false)
        #expect(check.errors.map(\.line) == [8] && check.errors.allSatisfy { $0.text.contains("chroot") })
    }

    @Test(arguments: [
        ("smtpd_client_restrictions = check_client_access unix:nothing, permit", "smtpd_client_restrictions", "table unix:nothing: "),
        ("smtpd_sender_restrictions = permit, check_sender_access nosuch:x", "smtpd_sender_restrictions", "no table type nosuch"),
        ("smtpd_recipient_restrictions = check_client_access inline:{a=OK}, check_recipient_access", "", ""),
        ("inet_interfaces = 127.0.0.1, [::1], localhost", "", ""),
        ("inet_interfaces = 127.0.0.1 no-such-host.invalid", "inet_interfaces", "no-such-host.invalid is neither"),
    ])
    func listsAreLookedAt(_ line: String, _ name: String, _ text: String) throws {
        let instance = try Instance()
        try good(instance)
        let main = String(decoding: try Files.contents(of: instance.path + "/main.cf"), as: UTF8.self)
        try instance.write("main.cf", main + line + "\n")
        let check = ConfigurationCheck(directory: instance.path, isRoot: false)
        #expect(check.errors.map(\.line) == (name.isEmpty ? [] : [5]), "\(check.errors)")
        #expect(check.errors.allSatisfy { $0.text.hasPrefix("\(name): ") && $0.text.contains(text) }, "\(check.errors)")
    }

    @Test func accessTablesOfAServiceAreLookedAt() throws {
        let instance = try Instance()
        try good(instance)
        try instance.write("smtpd", "")
        let master = String(decoding: try Files.contents(of: instance.path + "/master.cf"), as: UTF8.self)
        func check(_ table: String) throws -> ConfigurationCheck {
            let service = "127.0.0.1:2525 inet n n n - 1 smtpd\n  -o { smtpd_client_restrictions = check_client_access \(table) }\n"
            try instance.write("master.cf", master + service)
            return ConfigurationCheck(directory: instance.path, isRoot: false, asksPrograms: false)
        }
        let broken = try check("unix:nothing")
        #expect(broken.errors.map(\.line) == [8] && broken.warnings == [])
        #expect(broken.errors.allSatisfy { $0.text.contains("-o smtpd_client_restrictions: table unix:nothing") }, "\(broken.errors)")
        let missing = try check("lmdb:/nowhere/x")
        #expect(missing.errors == [] && missing.warnings.map(\.line) == [8])
        #expect(
            missing.warnings.allSatisfy { $0.text.contains("-o smtpd_client_restrictions: table lmdb:/nowhere/x") }, "\(missing.warnings)")
    }

    /// The mail system starts, and reloads, with such a one.
    @Test(arguments: [
        "virtual_alias_maps = lmdb:/nowhere/x", "virtual_alias_maps = hash:/nowhere/x", "virtual_alias_maps = proxy:cdb:/nowhere/x",
        "transport_maps = texthash:/nowhere/x", "relay_recipient_maps = regexp:/nowhere/x", "virtual_alias_domains = cidr:/nowhere/x",
        "mynetworks = /nowhere/x", "smtpd_helo_restrictions = check_helo_access hash:/nowhere/x",
    ])
    func aTableThatIsMissingIsAWarning(_ line: String) throws {
        let instance = try Instance()
        try good(instance)
        let main = String(decoding: try Files.contents(of: instance.path + "/main.cf"), as: UTF8.self)
        try instance.write("main.cf", main + line + "\n")
        let check = ConfigurationCheck(directory: instance.path, isRoot: false)
        #expect(check.errors == [])
        #expect(check.warnings.map(\.line) == [5], "\(check.warnings)")
        let name = String(line.prefix { $0 != " " })
        #expect(check.warnings.allSatisfy { $0.text.hasPrefix("\(name): ") && $0.text.hasSuffix(": without it mail is deferred") })
        #expect(check.warnings.allSatisfy { $0.text.contains("No such file or directory") }, "\(check.warnings)")
    }

    /// Not a file that is there and cannot be reached.
    @Test(arguments: ["lmdb", "cdb", "texthash"]) func aTableBehindAFileIsAnError(_ type: String) throws {
        let instance = try Instance()
        try good(instance)
        let main = String(decoding: try Files.contents(of: instance.path + "/main.cf"), as: UTF8.self)
        try instance.write("main.cf", main + "virtual_alias_maps = \(type):\(instance.path)/main.cf/x\n")
        let check = ConfigurationCheck(directory: instance.path, isRoot: false)
        #expect(check.errors.map(\.line) == [5] && check.errors.allSatisfy { $0.text.contains("Not a directory") }, "\(check.errors)")
    }

    @Test(
        arguments: [(0o755, 0o644, 0), (0o755, 0o600, 2), (0o755, 0o640, 2), (0o750, 0o644, 1), (0o700, 0o600, 3)]
            as [(UInt32, UInt32, Int)])
    func whatUsersCannotReadIsSaid(_ directory: UInt32, _ file: UInt32, _ count: Int) throws {
        let instance = try Instance()
        try good(instance)
        let main = String(decoding: try Files.contents(of: instance.path + "/main.cf"), as: UTF8.self)
        try instance.write("main.cf", main + "mail_owner = nobody\nmyorigin = \(instance.path)/mailname\n")
        try instance.write("mailname", "example.org\n")
        try Files.changeMode(instance.path + "/mailname", file)
        try Files.changeMode(instance.path, directory)
        try Files.changeMode(instance.path + "/main.cf", file)
        let check = ConfigurationCheck(directory: instance.path, isRoot: true, asksPrograms: false)
        #expect(check.warnings.filter { $0.text.contains("keeps ordinary users out") }.count == count, "\(check.warnings)")
    }

    @Test func anEditIsLookedAtBeforeItIsWritten() throws {
        let instance = try Instance()
        try good(instance)
        let text = "queue_directory = relative\nalias_maps = lmdb:/nowhere/a\nrelayhost = [x\ntransport_maps = lmdb:/nowhere/b\n"
        let edited = try Configuration(text: text, file: "main.cf")
        let check = ConfigurationCheck(directory: instance.path, edited: edited, names: ["alias_maps", "relayhost"])
        #expect(check.errors.map(\.line) == [3])
        #expect(check.warnings.map(\.line) == [2])
    }

    @Test func oneMistakeDoesNotHideTheNext() throws {
        let instance = try Instance()
        try good(instance)
        let main = String(decoding: try Files.contents(of: instance.path + "/main.cf"), as: UTF8.self)
        try instance.write(
            "main.cf",
            main + "message_size_limit = 10MB\nrelayhost = [broken\ntransport_maps = unix:table\nmesage_size_limit = 1\n")
        try instance.write(
            "master.cf",
            "cleanup unix n - n - 1\nqmgr unix n - n - 1 nomgr\nbounce unix - - n - 1 bounce -o smtpd_timeout=never\n")
        let check = ConfigurationCheck(directory: instance.path, isRoot: false)
        #expect(check.errors.filter { $0.file.hasSuffix("main.cf") }.map(\.line).sorted() == [5, 6, 7])
        #expect(check.errors.filter { $0.file.hasSuffix("master.cf") }.map(\.line) == [1, 2, 3])
        #expect(check.warnings.contains { $0.line == 8 })
    }

    @Test func everythingThatIsWrongIsFoundAtOnce() throws {
        let instance = try Instance()
        try good(instance)
        try instance.write(
            "main.cf",
            """
            queue_directory = \(instance.path)/queue
            daemon_directory = \(instance.path)
            command_directory = \(instance.path)/nowhere
            alias_maps = lmdb:\(instance.path)/absent
            transport_maps = ldap:x
            mynetworks = 10.0.0.1/8
            relayhost = [broken
            default_transport = nothing
            mydestinations = x

            """)
        try instance.write(
            "master.cf",
            """
            cleanup unix n - n - 1 cleanup
            qmgr unix n - n - 1 nomgr
            bounce unix - - n - 1 bounce
            pickup unix n - n - 1 pickup -o smtpd_timeout=never
            local unix n - n - 1 local -o nosuchname=1

            """)
        let check = ConfigurationCheck(directory: instance.path, isRoot: false)
        let main = check.errors.filter { $0.file.hasSuffix("main.cf") }
        #expect(main.map(\.line).sorted() == [3, 5, 6, 7, 8])
        let master = check.errors.filter { $0.file.hasSuffix("master.cf") }
        #expect(master.map(\.line) == [2, 4, 0])
        #expect(check.warnings.map(\.line) == [9, 4, 5])
    }

    @Test func strangeRightsAndNamesAndOldTablesAreSaid() throws {
        let instance = try Instance()
        try good(instance)
        try instance.write("aliases", "")
        try instance.write("aliases.lmdb", "")
        try Files.setTimes(instance.path + "/aliases.lmdb", modified: 1_000_000)
        let main = String(decoding: try Files.contents(of: instance.path + "/main.cf"), as: UTF8.self)
        let me = try #require(try UserDatabase.user(id: Privileges.realUser)?.name)
        try instance.write(
            "main.cf", main + "virtual_alias_maps = hash:\(instance.path)/aliases\nmyhostname = -x.example.org\nmail_owner = \(me)\n")
        for name in ["", "/pid", "/incoming", "/maildrop"] { try Files.makeDirectory(instance.path + "/queue" + name) }
        defer {
            for name in ["/pid", "/incoming", "/maildrop", ""] { try? Files.removeDirectory(instance.path + "/queue" + name) }
        }
        try Files.changeMode(instance.path + "/queue/pid", 0o755)
        try Files.changeMode(instance.path + "/queue/incoming", 0o755)
        try Files.changeMode(instance.path + "/queue/maildrop", 0o700)
        let check = ConfigurationCheck(directory: instance.path, isRoot: false, asksPrograms: false)
        #expect(check.errors.contains { $0.line == 6 && $0.text == "myhostname: \"-x.example.org\" is not a host name" })
        let warnings = check.warnings.map(\.description)
        #expect(
            warnings.contains { $0.hasPrefix("\(instance.path)/main.cf:5: virtual_alias_maps: ") && $0.contains("is newer than the table") }
        )
        #expect(warnings.contains("\(instance.path)/queue/incoming: its mode 0755 gives more rights than 0700"))
        #expect(warnings.contains("\(instance.path)/queue/maildrop: its mode is 0700 instead of 01770"))
        #expect(!warnings.contains { $0.contains("/queue/pid") })
    }

    @Test func programsAreAskedWithTheirOptions() throws {
        let instance = try Instance()
        try good(instance)
        try instance.write(
            "smtp",
            """
            #!/bin/sh
            echo "$*" >> "$0.arguments"
            echo "martlet/smtp[1]: starting" >&2
            echo "martlet/smtp[1]: warning: an odd: thing" >&2
            echo "smtp: fatal: no such restriction: x" >&2
            exit 78

            """)
        try instance.write("local", "#!/bin/sh\nexit 3\n")
        for service in ["cleanup", "qmgr", "bounce", "pickup", "resolver"] { try instance.write(service, "#!/bin/sh\n") }
        for name in try Files.directoryEntries(instance.path) where !name.contains(".") {
            try Files.changeMode("\(instance.path)/\(name)", 0o755)
        }
        let file = try FileDescriptor.open(instance.path + "/master.cf", [.writeOnly, .append])
        try file.writeAll(Array("relay unix - n n - 1 smtp -o max_idle=5s\n".utf8))
        let check = ConfigurationCheck(directory: instance.path, isRoot: false, asksPrograms: true)
        #expect(
            check.errors.map(\.text) == [
                "the service smtp: smtp: no such restriction: x",
                "the service local: local: local ends with exited(3) when its configuration is checked",
            ])
        #expect(check.errors.map(\.line) == [6, 7])
        #expect(check.warnings.map(\.text) == ["the service smtp: smtp: an odd: thing"])
        #expect(
            String(decoding: try Files.contents(of: instance.path + "/smtp.arguments"), as: UTF8.self)
                == "-k -n smtp -t unix -c \(instance.path)\n-k -n relay -t unix -o max_idle=5s -c \(instance.path)\n")
    }

    @Test func bothFilesAreReadWhenBothAreBroken() throws {
        let instance = try Instance()
        try instance.write("main.cf", "a b\nsmtpd_timeout = x\n")
        try instance.write("master.cf", "short\n")
        #expect(ConfigurationCheck(directory: instance.path).errors.map(\.line) == [1, 2, 1])
        #expect(ConfigurationCheck(directory: instance.path + "/none").errors.count == 2)
    }
}

@Suite struct MasterProcessTests {
    @Test func onlyALockedFileIsARunningMaster() throws {
        let instance = try ConfigurationCheckTests.Instance()
        #expect(try MasterProcess.running(queueDirectory: instance.path) == nil)
        try Files.makeDirectory(instance.path + "/pid")
        let path = instance.path + "/pid/master.pid"
        let file = try FileDescriptor.open(path, [.readWrite, .create])
        try file.writeAll(Array("      4711\n".utf8))
        #expect(try MasterProcess.running(queueDirectory: instance.path) == nil)
        #expect(try file.tryLockExclusive())
        #expect(try MasterProcess.running(queueDirectory: instance.path) == MasterProcess(pid: 4711, queueDirectory: instance.path))
        try file.truncate(to: 0)
        #expect(throws: SystemError.self) { try MasterProcess.running(queueDirectory: instance.path) }
        try file.unlock()
        try Files.unlink(path)
        try Files.removeDirectory(instance.path + "/pid")
    }
}

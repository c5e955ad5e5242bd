import MailConfiguration
import MailIPC
import SystemKit
import Testing

@testable import Master

@Suite struct ServiceDefinitionTests {
    private func load(main: String = "", master: String) throws -> MasterConfiguration {
        try MasterConfiguration(checking: ConfigurationSnapshot(main: main, master: master))
    }

    @Test func columnsBecomeArgumentsAndPolicy() throws {
        let configuration = try load(
            main: "queue_directory = /q\ndaemon_directory = /d\ndefault_process_limit = 7\nservice_throttle_time = 3s",
            master: """
                127.0.0.1:2525 inet n - y - - smtpd
                  -o syslog_name=martlet/submission -o { x = a b }
                qmgr unix n - n 300 1 qmgr
                pickup unix n - n 60? 1 pickup
                local unix - n n - 0 local -v
                """)
        let services = configuration.services
        #expect(
            services[0].arguments == [
                "-n", "127.0.0.1:2525", "-t", "inet", "-u", "-j", "-f", "-b", "-o", "syslog_name=martlet/submission", "-o", "x=a b", "-c",
                "/etc/martlet",
            ])
        #expect(services[0].policy.processLimit == 7 && services[0].policy.command == "/d/smtpd" && services[0].programName == "smtpd")
        #expect(
            services[0].endpoints == [.inet(try #require(SocketAddress.resolve(host: "127.0.0.1", port: "2525").first), isImplied: false)])
        #expect(services[1].endpoints == [.unix("/q/public/qmgr")])
        #expect(services[1].policy.wakeup == 300 && !services[1].policy.wakesOnlyAfterUse && services[1].policy.processLimit == 1)
        #expect(services[2].policy.wakesOnlyAfterUse)
        #expect(services[3].endpoints == [.unix("/q/private/local")])
        #expect(services[3].arguments == ["-n", "local", "-t", "unix", "-f", "-c", "/etc/martlet", "-v"])
        #expect(services[3].policy.processLimit == nil && services[3].policy.throttleTime == 3)
        #expect(services.map(\.isJailed) == [true, false, false, false])
        #expect(services.map(\.policy.isExclusive) == [false, true, true, false])
        #expect(services.map { $0.connections == nil } == [false, true, true, true])
    }

    @Test func eachProgramOfTheNetworkReachesWhatItWorksWith() throws {
        let services = try load(
            main: "queue_directory = /q\nresolver_service_name = dns",
            master: """
                127.0.0.1:2525 inet n - y - - smtpd
                127.0.0.1:2526 inet n - y - - smtpd
                  -o cleanup_service_name=other
                127.0.0.1:2527 inet n - y - - smtpd
                  -o cleanup_service_name=local
                127.0.0.1:2528 inet n - y - - smtpd
                  -o cleanup_service_name=absent
                cleanup unix n - n - 1 cleanup
                other unix - - n - 1 cleanup
                local unix - n n - - local
                smtp unix - - y - - smtp
                lmtp unix - - n - 1 lmtp
                dns unix - - y - 1 resolver
                """
        ).services
        let all = Dictionary(uniqueKeysWithValues: services.map { ($0.key.name, $0.connections) })
        #expect(all["127.0.0.1:2525"] == [.cleanup: "/q/public/cleanup", .resolver: "/q/private/dns"])
        #expect(all["127.0.0.1:2526"] == [.cleanup: "/q/private/other", .resolver: "/q/private/dns"])
        // What the administrator's options say, and nothing that a program could.
        #expect(all["127.0.0.1:2527"] == [.cleanup: "/q/private/local", .resolver: "/q/private/dns"])
        #expect(all["127.0.0.1:2528"] == [.resolver: "/q/private/dns"])
        #expect(all["smtp"] == [.resolver: "/q/private/dns"] && all["lmtp"] == [.resolver: "/q/private/dns"])
        #expect(all["dns"] == [:] && all["cleanup"] == .some(nil) && all["local"] == .some(nil))
    }

    @Test func onlyProgramsThatNeedNoNamesAreJailed() {
        let error = #expect(throws: ConfigurationErrors.self) {
            try load(master: "cleanup unix n - y - 1 cleanup\nsmtp unix - - y - - smtp\nlocal unix - n y - - local\n")
        }
        #expect(error?.problems.map(\.line) == [1, 3])
    }

    @Test func everyErrorIsReportedWithItsLine() {
        let long = String(repeating: "x", count: 120)
        let error = #expect(throws: ConfigurationErrors.self) {
            try load(master: "\(long) unix - - n - - local\nqmgr unix n - n 300 1 qmgr\n127.0.0.1:no-such inet n - n - - smtpd\n")
        }
        #expect(error?.problems.map(\.line) == [1, 3])
        #expect(error?.problems.allSatisfy { $0.file == "/etc/martlet/master.cf" } == true)
    }

    @Test func bothFilesAreReadBeforeAnythingIsSaid() {
        let error = #expect(throws: ConfigurationErrors.self) { try MasterConfiguration.load(directory: "/nonexistent") }
        #expect(error?.problems.map(\.file) == ["/nonexistent/main.cf", "/nonexistent/master.cf"])
    }

    @Test(arguments: [
        (["all"], ["all"], ["0.0.0.0:25", "[::]:25"]),
        (["all"], ["ipv4"], ["0.0.0.0:25"]),
        (["all"], ["ipv6"], ["[::]:25"]),
        (["loopback-only"], ["ipv4", "ipv6"], ["127.0.0.1:25", "[::1]:25"]),
        (["127.0.0.1", "[::1]", "127.0.0.1"], ["all"], ["127.0.0.1:25", "[::1]:25"]),
        (["127.0.0.1", "[::1]"], ["ipv6"], ["[::1]:25"]),
        (["127.0.0.1"], ["ipv6"], []),
    ])
    func interfacesAndFamilies(interfaces: [String], protocols: [String], expected: [String]) throws {
        let endpoints = try InternetInterfaces(interfaces: interfaces, protocols: protocols).endpoints(host: "", port: "25") {
            host, port throws(SystemError) in try SocketAddress.resolve(host: host, port: port)
        }
        let texts = endpoints.map { endpoint in if case .inet(let address, _) = endpoint { address.description } else { "?" } }
        #expect(texts == expected)
    }

    @Test func environmentHasOnlyWhatIsNamed() {
        let outer = ["TZ": "Europe/Zurich", "LD_PRELOAD": "/evil.so", "NOTIFY_SOCKET": "/run/x"]
        let result = ChildEnvironment.make(["MAIL_CONFIG", "TZ", "LANG=C"]) { outer[$0] }
        #expect(result.map { "\($0.0)=\($0.1)" } == ["SWIFT_BACKTRACE=enable=no", "TZ=Europe/Zurich", "LANG=C"])
    }

    @Test func options() throws {
        #expect(try MasterOptions(arguments: [], defaultDirectory: "/x").directory == "/x")
        let all = try MasterOptions(arguments: ["-d", "-c", "/y", "-t", "-v", "-w"], defaultDirectory: "/x")
        #expect(all.directory == "/y" && all.isDebugging && all.isTest && all.isBackground)
        for bad in [["-c"], ["-x"], ["start"], ["-c", ""]] {
            #expect(throws: MasterUsageError.self) { try MasterOptions(arguments: bad, defaultDirectory: "/x") }
        }
    }
}

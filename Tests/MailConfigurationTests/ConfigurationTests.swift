import Testing

@testable import MailConfiguration

@Suite struct ConfigurationTests {
    private func errors(_ text: String, transports: Set<String>? = nil) -> [String] {
        do {
            _ = try Configuration(text: text, hostName: "mail.example.org", transports: transports)
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    @Test func continuationCommentsAndLastValueWins() throws {
        let text = """
            # comment
            relay_domains = example.org,
              # a comment inside
                example.net

              example.com
            myhostname = first.example.org
            myhostname = second.example.org
            """
        let configuration = try Configuration(text: text)
        #expect(configuration[Parameters.relayDomains] == ["example.org", "example.net", "example.com"])
        #expect(configuration[Parameters.myhostname] == "second.example.org")
        #expect(configuration[Parameters.mydomain] == "example.org")
        #expect(configuration.warnings.map(\.description) == ["main.cf:8: myhostname replaces the earlier value in line 7"])
    }

    @Test func everyErrorIsReportedWithItsLine() {
        let text = """
            message_size_limit = ten
            smtpd_helo_required = maybe
            this is no assignment
            maximal_backoff_time = 4000x
            smtpd_tls_security_level = always
            mydomain = $mydomain
            queue_directory =
            smtpd_recipient_limit = 0
            relayhost = ${relayhost
            """
        #expect(
            errors(text) == [
                "main.cf:1: message_size_limit: \"ten\" is not a number",
                "main.cf:2: smtpd_helo_required: \"maybe\" is neither yes nor no",
                "main.cf:3: \"this is no assignment\" has no \"=\" (a parameter is written name = value)",
                "main.cf:4: maximal_backoff_time: \"4000x\" is not a time (a number and s, m, h, d or w)",
                "main.cf:5: smtpd_tls_security_level: \"always\" is not one of: (empty), none, may, encrypt",
                "main.cf:6: mydomain: the value refers to itself: $mydomain -> $mydomain",
                "main.cf:7: queue_directory: may not be empty",
                "main.cf:8: smtpd_recipient_limit: \"0\" is less than the minimum 1",
                "main.cf:9: relayhost: \"{relayhost\" has no closing bracket",
            ])
    }

    @Test func aLoopThroughSeveralNamesIsAnError() {
        let all = errors("one = $two\ntwo = ${three}\nthree = x$(one)\nrelayhost = $one\n")
        #expect(all.contains { $0.contains("$one -> $two -> $three -> $one") })
    }

    @Test(arguments: [
        ("100", 100), ("100s", 100), ("2m", 120), ("2M", 120), ("3h", 10_800), ("1d", 86_400), ("1w", 604_800),
    ])
    func timesHaveUnits(_ text: String, _ seconds: Int) throws {
        #expect(try Configuration(text: "minimal_backoff_time = \(text)")[Parameters.minimalBackoffTime] == seconds)
    }

    @Test func timesWithoutAUnitTakeTheParametersOwn() throws {
        #expect(try Configuration(text: "maximal_queue_lifetime = 3")[Parameters.maximalQueueLifetime] == 3 * 86_400)
        #expect(try Configuration(text: "delay_warning_time = 4")[Parameters.delayWarningTime] == 4 * 3600)
    }

    @Test func anEnormousNumberIsAnErrorAndNoTrap() {
        #expect(errors("maximal_queue_lifetime = 99999999999999999999").count == 1)
        #expect(errors("maximal_queue_lifetime = 9223372036854775807w").count == 1)
        #expect(errors("message_size_limit = -9223372036854775808").count == 1)
    }

    @Test func unknownNamesAreWarningsWithTheNearestKnownName() throws {
        let configuration = try Configuration(text: "mydestinaton = example.org\nqwertzuiop = 1\nmine = x\nrelayhost = [$mine]\n")
        #expect(
            configuration.warnings.map(\.description) == [
                "main.cf:1: unknown parameter mydestinaton (did you mean mydestination?)", "main.cf:2: unknown parameter qwertzuiop",
            ])
        #expect(configuration[Parameters.relayhost] == "[x]")
        #expect(configuration.text(of: "mine") == "x")
    }

    @Test func anUndefinedNameInAValueIsAWarning() throws {
        let configuration = try Configuration(text: "relayhost = [$myhostnam]\n")
        #expect(configuration[Parameters.relayhost] == "[]")
        #expect(
            configuration.warnings.map(\.description)
                == ["main.cf:1: relayhost: $myhostnam is not defined and counts as empty (did you mean myhostname?)"])
    }

    @Test func overridesWin() throws {
        let configuration = try Configuration(
            text: "smtpd_timeout = 10s\nsyslog_name = a", overrides: [("syslog_name", "$mail_name/x"), ("smtpd_timeout", "20s")])
        #expect(configuration[Parameters.syslogName] == "Martlet/x")
        #expect(configuration[Parameters.smtpdTimeout] == 20)
    }

    @Test func limitsOfTransports() throws {
        let text = """
            default_destination_concurrency_limit = 7
            slow_destination_concurrency_limit = 1
            smtp_destination_recipient_limit = 3
            """
        let configuration = try Configuration(text: text, transports: ["smtp", "slow"])
        #expect(configuration.warnings == [])
        #expect(configuration.transportParameter(.destinationConcurrencyLimit, transport: "slow") == 1)
        #expect(configuration.transportParameter(.destinationConcurrencyLimit, transport: "smtp") == 7)
        #expect(configuration.transportParameter(.destinationConcurrencyLimit, transport: "other") == 7)
        #expect(configuration.transportParameter(.destinationConcurrencyLimit, transport: "local") == 2)
        #expect(configuration.transportParameter(.destinationRecipientLimit, transport: "smtp") == 3)
        #expect(configuration.transportParameter(.initialDestinationConcurrency, transport: "smtp") == 5)
        #expect(try Configuration(text: text, transports: ["smtp"]).warnings.count == 1)
        #expect(errors("slow_destination_rate_delay = soon", transports: ["slow"]).count == 1)
    }

    @Test func everyLimitHasAFormForOneTransport() throws {
        for parameter in TransportParameter.allCases {
            let name = "slow\(parameter.rawValue)"
            let configuration = try Configuration(text: "\(name) = 1\n", transports: ["slow"])
            #expect(configuration.warnings == [], "\(name)")
            #expect(configuration.text(of: name) == "1")
            #expect(configuration.declaration(of: name)?.defaultText == "$" + parameter.fallback.name)
        }
        let text = """
            default_destination_concurrency_positive_feedback = 1 / concurrency
            slow_destination_concurrency_positive_feedback = 0.5/sqrt_concurrency
            slow_delivery_slot_cost = 2
            """
        let configuration = try Configuration(text: text, transports: ["slow"])
        #expect(configuration.transportText(.destinationConcurrencyPositiveFeedback, transport: "slow") == "0.5/sqrt_concurrency")
        #expect(configuration.transportText(.destinationConcurrencyPositiveFeedback, transport: "smtp") == "1 / concurrency")
        #expect(configuration.transportParameter(.deliverySlotCost, transport: "slow") == 2)
        #expect(configuration.transportParameter(.deliverySlotCost, transport: "smtp") == 5)
    }

    @Test(arguments: ["2", "1.01", "-1", "1 / n", "x", "", "1/", ".", "1 2"]) func whatIsNoFeedbackIsAnError(value: String) {
        #expect(errors("default_destination_concurrency_negative_feedback = \(value)").count == 1)
    }

    @Test(arguments: ["0", "1", "1.0", "0.25", ".5", "01", "1 / concurrency", "0.5/sqrt_concurrency"])
    func feedbacks(value: String) throws {
        let configuration = try Configuration(text: "default_destination_concurrency_negative_feedback = \(value)")
        #expect(configuration[Parameters.defaultDestinationConcurrencyNegativeFeedback] == value)
    }

    @Test func hostNameWithoutADot() throws {
        #expect(try Configuration(text: "", hostName: "mars")[Parameters.myhostname] == "mars.localdomain")
        #expect(try Configuration(text: "mydomain = example.org", hostName: "mars")[Parameters.myhostname] == "mars.example.org")
        #expect(try Configuration(text: "myhostname = mars")[Parameters.mydomain] == "localdomain")
    }

    @Test func myoriginMayBeAFile() throws {
        let configuration = try Configuration(text: "myorigin = /etc/mailname") { $0 == "/etc/mailname" ? "example.net" : nil }
        #expect(configuration[Parameters.myorigin] == "example.net")
        #expect(errors("myorigin = /nowhere") == ["main.cf:1: myorigin: the file /nowhere cannot be read or is empty"])
    }

    @Test func listsKeepBracedTextTogether() {
        #expect(WordList.split("a, b  inline:{x=1, y=2} ,,static:{two words}") == ["a", "b", "inline:{x=1, y=2}", "static:{two words}"])
        #expect(WordList.split("") == [])
        #expect(WordList.split("}a b{ c") == ["}a", "b{ c"])
    }

    @Test func anyBytesAreRead() {
        var state: UInt64 = 42
        for _ in 0..<300 {
            var bytes: [UInt8] = []
            for _ in 0..<200 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes.append(Array("ab=$ {}(){}?:\n\t,#\0\u{80}<>-o".utf8)[Int(state >> 33) % 24])
            }
            let main = MainFile(bytes, file: "f")
            #expect(main.entries.count + main.problems.count <= 200)
            _ = try? Configuration(text: String(decoding: bytes, as: UTF8.self))
            _ = try? MasterFile.parse(bytes: bytes, file: "f")
        }
    }
}

@Suite struct TextExpansionTests {
    @Test(arguments: [
        ("plain", "plain"), ("$a", "A"), ("${a}b", "Ab"), ("$(a)b", "Ab"), ("$$a", "$a"), ("${a?yes}", "yes"), ("${e?yes}", ""),
        ("${e:no}", "no"), ("${a:no}", "A"), ("${a?{yes}:{no}}", "yes"), ("${e?{yes}:{no $a}}", "no A"), ("${a?<$a>}", "<A>"),
        ("${{$a} == {A} ? {same} : {other}}", "same"), ("${{10} > {9}?{more}}", "more"), ("${{x10} > {x9}?{more}:{less}}", "less"),
        ("x$undefined", "x"), ("${a?{${e:deep}}}", "deep"),
    ])
    func expands(_ text: String, _ result: String) throws {
        let values = ["a": "A", "e": ""]
        #expect(try TextExpansion.expand(text) { values[$0] } == result)
    }

    @Test(arguments: ["$", "a$ b", "${", "${}", "${a", "${a!b}", "${{a} ~ {b}?{c}}", "${{a}", "${{a} == }"])
    func malformedTextThrows(_ text: String) {
        #expect(throws: ExpansionError.self) { try TextExpansion.expand(text) { _ in "v" } }
    }

    @Test func depthIsBounded() {
        let deep = String(repeating: "${a?{", count: 100) + "x" + String(repeating: "}}", count: 100)
        #expect(throws: ExpansionError.self) { try TextExpansion.expand(deep) { _ in "v" } }
    }
}

@Suite struct NearestNameTests {
    @Test(arguments: [
        ("mydestinaton", "mydestination"), ("relay_host", "relayhost"), ("mynetwork", "mynetworks"), ("myhostnmae", "myhostname"),
    ])
    func finds(_ name: String, _ nearest: String) {
        #expect(NearestName.of(name, among: Parameters.all.map(\.name)) == nearest)
    }

    @Test func doesNotGuessWildly() {
        #expect(NearestName.of("qwertz", among: Parameters.all.map(\.name)) == nil)
        #expect(NearestName.of("", among: ["a"]) == "a")
    }
}

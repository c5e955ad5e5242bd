import Testing

@testable import MailConfiguration

@Suite struct ParametersTests {
    @Test func everyNameIsDeclaredOnce() {
        #expect(Parameters.all.count > 300)
        #expect(Set(Parameters.all.map(\.name)).count == Parameters.all.count)
    }

    @Test func everyDeclarationIsDescribed() {
        for declaration in Parameters.all {
            #expect(declaration.summary.hasSuffix("."), "\(declaration.name)")
            #expect(declaration.since == "0.1")
        }
    }

    @Test func everyDefaultFitsItsKindAndType() throws {
        let configuration = try Configuration(text: "", hostName: "mail.example.org")
        #expect(configuration.warnings == [])
        for declaration in Parameters.all { #expect(configuration.text(of: declaration.name) != nil, "\(declaration.name)") }
        #expect(configuration[Parameters.messageSizeLimit] == 10_240_000)
        #expect(configuration[Parameters.maximalQueueLifetime] == 432_000)
        #expect(configuration[Parameters.smtpdHELORequired] == false)
        #expect(configuration[Parameters.smtpdBanner] == "mail.example.org ESMTP Martlet")
        #expect(configuration[Parameters.mydestination] == ["mail.example.org", "localhost.example.org", "localhost"])
        #expect(configuration[Parameters.lmtpDestinationConcurrencyLimit] == 20)
        #expect(configuration[Parameters.forwardPath].first == "$home/.forward${recipient_delimiter}${extension}")
    }
}

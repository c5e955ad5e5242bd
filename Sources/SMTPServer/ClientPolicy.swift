// The protocol settings for one client: those of the service, with what tables say about its address and what a footer says about it.
//
// Security: a table that cannot be read leaves the settings of the service; nothing here gives a client a permission.

import InternetMessage
import LookupTables
import MailConfiguration
import MailLog
import MailModel
import SMTPProtocol
import SystemKit

struct ClientPolicy {
    let settings: ServerSettings
    let client: ClientIdentity
    let log: MailLog

    /// The settings of the service as they are for the client.
    func applied(to given: SMTPServerPolicy) -> SMTPServerPolicy {
        var policy = given
        if let words = discardedKeywords() {
            policy.features = ServerSettings.features(discarding: words, settings.featureLimits)
            if words.contains(where: { $0.lowercased() == "starttls" }) && policy.tls == .offered { policy.tls = .none }
        }
        if !settings.rejectFooter.isEmpty { policy.rejectFooter = footer() }
        return policy
    }

    /// smtpd_discard_ehlo_keyword_address_maps; nil where the tables say nothing about this client.
    private func discardedKeywords() -> [String]? {
        guard !settings.discardedKeywordTables.isEmpty else { return nil }
        do throws(LookupError) {
            guard let value = try settings.discardedKeywordTables.lookup(client.address) else { return nil }
            return value.split { $0 == "," || $0 == " " || $0 == "\t" }.map(String.init)
        } catch {
            log.warning("smtpd_discard_ehlo_keyword_address_maps: \(error)")
            return nil
        }
    }

    private func footer() -> @Sendable (RejectFacts) -> String {
        let template = settings.rejectFooter
        let client = client
        let hostName = settings.policy.hostName
        return { facts in
            let values = [
                "client": client.logText, "client_address": client.address, "client_name": client.name,
                "client_port": String(client.port), "helo_name": facts.heloName, "server_name": hostName, "myhostname": hostName,
                "sender": facts.sender?.logForm ?? "", "recipient": facts.recipient?.logForm ?? "",
            ]
            let expanded = try? TextExpansion.expand(template) { name in name == "localtime" ? ClientPolicy.localTime() : values[name] }
            // A text that cannot be expanded is a mistake of the administrator's; the reply goes out without it.
            return expanded ?? ""
        }
    }

    private static func localTime() -> String {
        let seconds = SystemClock.now() / 1_000_000
        return RFC5322Date(seconds: seconds, offset: SystemClock.localOffset(at: seconds)).text()
    }
}

// What of the configuration decides how a header is completed and rewritten.

import AddressRouting
import InternetMessage
import MailConfiguration

extension MessageRewriter.Policy {
    init(_ configuration: Configuration, router: AddressRouter) {
        typealias P = Parameters
        let remoteDomain = configuration[P.remoteHeaderRewriteDomain]
        var completion = HeaderCompletion.Policy(
            hostName: configuration[P.myhostname],
            addresses: AddressCompletion(
                origin: configuration[P.appendAtMyorigin] ? configuration[P.myorigin] : "",
                domain: configuration[P.appendDotMydomain] ? configuration[P.mydomain] : ""),
            undisclosedRecipientsHeader: configuration[P.undisclosedRecipientsHeader], dropHeaders: configuration[P.messageDropHeaders],
            alwaysAddsMissing: configuration[P.alwaysAddMissingHeaders])
        if !remoteDomain.isEmpty {
            // Postfix: for strangers both kinds of missing parts come from this one domain.
            completion.remoteAddresses = AddressCompletion(
                origin: configuration[P.appendAtMyorigin] ? remoteDomain : "",
                domain: configuration[P.appendDotMydomain] ? remoteDomain : "")
        }
        if router.rewritesAddresses {
            completion.mapping = { address, isSender in
                // The reason is in the log already; the message is refused for now.
                try? router.canonical(address, in: isSender ? .headerSender : .headerRecipient)
            }
        }
        self.init(
            completion: completion, mailName: configuration[P.mailName], headerSizeLimit: configuration[P.headerSizeLimit],
            hopLimit: configuration[P.hopcountLimit])
    }
}

// A configuration for all routing tests: tables are written inline, so that nothing is read from the system.

import AddressRouting
import MailConfiguration
import MailModel
import Testing

let mainText = """
    myhostname = mail.example.org
    mydomain = example.org
    myorigin = example.org
    mydestination = $myhostname, localhost.$mydomain, localhost, example.org
    inet_interfaces = all
    proxy_interfaces = 198.51.100.7
    recipient_delimiter = +
    local_recipient_maps = inline:{ matt=x, phil=x, root=x, exact+tag=x }
    virtual_alias_domains = alias.test, loop.test
    virtual_alias_maps = inline:{ \
        { info@alias.test = matt, phil@example.org }, { sales+eu@alias.test = eu@far.test }, { sales@alias.test = sales@far.test }, \
        { @catch.test = @example.org }, { @all.test = all@example.org }, { webmaster = matt }, \
        { self@example.org = self@example.org, copy@far.test }, \
        { a@loop.test = b@loop.test }, { b@loop.test = a@loop.test }, \
        { quoted@alias.test = "odd name"@far.test, <angle@far.test> }, \
        { deep1@alias.test = deep2@alias.test }, { deep2@alias.test = deep3@alias.test, deep4@alias.test }, \
        { deep3@alias.test = end3@far.test }, \
        { deep4@alias.test = end4@far.test, end3@far.test }, { empty@alias.test = , }, { matt+exact@alias.test = exact@far.test } \
      }
    virtual_mailbox_domains = boxes.test
    virtual_mailbox_maps = inline:{ joe@boxes.test=joe/, sue@boxes.test=sue/ }
    relay_domains = relay.test, .only-sub.test
    relay_recipient_maps = inline:{ { known@relay.test = x }, { @sub.relay.test = x } }
    transport_maps = inline:{ { special@far.test = smtp:[special.example]:2525 }, { ext@far.test = :[ext.example] }, \
        { far.test = : }, { hub.test = smtp: }, { .hub.test = lmtp:unix:private/lmtp }, \
        { gone.test = error:5.7.1 no mail for this domain }, { bare-error.test = error: }, { later.test = retry:4.7.0 not now }, \
        { wrong-class.test = retry:5.0.0 odd }, { void.test = discard: }, { silent.test = discard:junk }, \
        { alias.test = smtp:[never] }, { .example.net = smtp:[net.example] }, { outbound@example.org = smtp:[x]:26 }, \
        { only-name.test = slow }, { nexthop.test = :[hop.example]:587 } }
    """

/// A router with ``mainText`` and further lines.
func router(_ lines: String = "", warn: @escaping @Sendable (String) -> Void = { _ in }) throws -> AddressRouter {
    AddressRouter(
        configuration: try Configuration(text: mainText + "\n" + lines), ownAddresses: ["127.0.0.1", "::1", "192.0.2.10", "2001:db8::10"],
        warn: warn)
}

/// One line for a result: `class transport nexthop recipient`, or the code and text.
func describe(_ result: RoutingResult) -> String {
    switch result {
    case .route(let route): "\(route.addressClass) \(route.transport) \(route.nextHop) \(route.recipient)"
    case .failed(let status, let text), .deferred(let status, let text): "\(status) \(text)"
    }
}

// The words of smtpd_*_restrictions (Postfix's SMTPD_ACCESS_README), parsed once at start.
//
// Security: a word that is not known here makes each request that reaches it fail with 451 and a warning, as in Postfix: to skip it could
// make an open relay. Known limits: no policy services, no DNS block lists, no restriction classes.

import LookupTables

/// Which list is being evaluated; it decides what a bare `reject` complains about.
enum RestrictionStage: Hashable, Sendable {
    case client, helo, sender, relay, recipient, data, endOfData
}

/// What an access table is asked for.
enum AccessSubject: Hashable, Sendable {
    case client, helo, sender, recipient
}

/// One word, with its table where it takes one.
enum Restriction: Sendable {
    case permit
    case reject
    case deferring
    case permitMyNetworks
    /// Never true: there is no AUTH.
    case permitAuthenticated
    case permitAuthorizedDestination
    case rejectUnauthorizedDestination
    case deferUnauthorizedDestination
    case rejectUnlistedRecipient
    case rejectUnlistedSender
    case rejectNonFQDNSender
    case rejectNonFQDNRecipient
    case rejectNonFQDNHelo
    case rejectInvalidHelo
    /// Improper pipelining is dealt with by the session itself.
    case rejectUnauthorizedPipelining
    case warnIfReject
    case check(AccessSubject, any LookupTable, name: String)
    case unknown(String)

    /// Reads the words of a parameter.
    static func parse(_ words: [String]) -> [Restriction] {
        var out: [Restriction] = []
        var index = 0
        while index < words.count {
            let word = words[index].lowercased()
            index += 1
            if let subject = accessSubjects[word] {
                guard index < words.count else {
                    out.append(.unknown("\(word) without a table"))
                    break
                }
                out.append(.check(subject, TableSpecification(words[index]).open(allowsSubstitution: true), name: words[index]))
                index += 1
            } else if word.contains(":") {
                // A table alone: check_recipient_access in smtpd_recipient_restrictions; ambiguous elsewhere, and deprecated everywhere.
                out.append(.unknown(word))
            } else {
                out.append(simple[word] ?? .unknown(word))
            }
        }
        return out
    }

    /// Whether the answer depends on whether the sender exists. A table that names this restriction
    /// gets no answer unless a list or `smtpd_reject_unlisted_sender` asks as well.
    var asksAboutSender: Bool {
        switch self {
        case .rejectUnlistedSender: true
        default: false
        }
    }

    /// Whether this alone keeps the system from being an open relay.
    var protectsRelay: Bool {
        switch self {
        case .reject, .deferring, .rejectUnauthorizedDestination, .deferUnauthorizedDestination: true
        default: false
        }
    }

    private static let accessSubjects: [String: AccessSubject] = [
        "check_client_access": .client, "check_helo_access": .helo, "check_sender_access": .sender, "check_recipient_access": .recipient,
    ]

    private static var simple: [String: Restriction] {
        [
            "permit": .permit, "reject": .reject, "defer": .deferring, "permit_mynetworks": .permitMyNetworks,
            "permit_sasl_authenticated": .permitAuthenticated, "permit_auth_destination": .permitAuthorizedDestination,
            "reject_unauth_destination": .rejectUnauthorizedDestination, "defer_unauth_destination": .deferUnauthorizedDestination,
            "reject_unlisted_recipient": .rejectUnlistedRecipient, "reject_unlisted_sender": .rejectUnlistedSender,
            "reject_non_fqdn_sender": .rejectNonFQDNSender,
            "reject_non_fqdn_recipient": .rejectNonFQDNRecipient, "reject_non_fqdn_helo_hostname": .rejectNonFQDNHelo,
            "reject_non_fqdn_hostname": .rejectNonFQDNHelo, "reject_invalid_helo_hostname": .rejectInvalidHelo,
            "reject_invalid_hostname": .rejectInvalidHelo, "reject_unauth_pipelining": .rejectUnauthorizedPipelining,
            "warn_if_reject": .warnIfReject,
        ]
    }
}

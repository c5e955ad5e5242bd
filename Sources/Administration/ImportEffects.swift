// What the lack of a thing of Postfix means for mail, in one sentence each: what an import tells the administrator.
//
// A name here says nothing about whether a program reads it; those with a counterpart are carried over before this is asked.

import MailConfiguration

/// What it means that a parameter of Postfix has no counterpart.
enum ImportEffects {
    private struct Effect {
        let pattern: String
        let isSerious: Bool
        let text: String

        init(_ pattern: String, serious: Bool = false, _ text: String) {
            self.pattern = pattern
            isSerious = serious
            self.text = text
        }

        func matches(_ name: String) -> Bool {
            if pattern.hasSuffix("*") { return name.hasPrefix(pattern.dropLast()) }
            if pattern.hasPrefix("*") { return name.hasSuffix(pattern.dropFirst()) }
            return name == pattern
        }
    }

    /// Parameters that say where Postfix's own parts are: Martlet has its own.
    static let ownPlaces: Set<String> = [
        "queue_directory", "command_directory", "daemon_directory", "data_directory", "mail_owner", "setgid_group", "sendmail_path",
        "newaliases_path", "mailq_path", "manpage_directory", "html_directory", "readme_directory", "sample_directory", "shlib_directory",
        "meta_directory", "config_directory", "default_database_type", "compatibility_level", "mail_version", "mail_release_date",
        "debugger_command", "debug_peer_list", "debug_peer_level", "process_id_directory", "openssl_path", "lmdb_map_size",
        "berkeley_db_create_buffer_size", "berkeley_db_read_buffer_size", "unknown_local_recipient_reject_code_default", "syslog_facility",
    ]

    private static let effects: [Effect] = [
        Effect("smtpd_milters", serious: true, "mail from SMTP is not shown to milters: no DKIM signatures, spam or virus checks by them"),
        Effect("non_smtpd_milters", serious: true, "mail from local programs is not shown to milters: no DKIM signatures by them"),
        Effect("smtpd_milter_maps", "there are no milters"),
        Effect("milter_*", "there are no milters, and nothing to be set for them"),
        Effect("content_filter", serious: true, "mail is not given to the content filter: it is delivered unchecked"),
        Effect("smtpd_proxy_filter", serious: true, "mail is not given to the filter before it is accepted: it is delivered unchecked"),
        Effect("smtpd_proxy_*", "there is no proxy filter"),
        Effect("receive_override_options", "it belongs to content filters and milters, which are not there"),
        Effect("smtpd_sasl_auth_enable", serious: true, "nobody can log in: clients outside mynetworks cannot send mail to other domains"),
        Effect("smtpd_sasl_*", "there is no AUTH for clients"),
        Effect("broken_sasl_auth_clients", "there is no AUTH for clients"),
        Effect("cyrus_sasl_config_path", "there is no AUTH"),
        Effect("smtpd_sender_login_maps", serious: true, "there is no AUTH, and so no check of who uses which sender address"),
        Effect("smtp_sasl_auth_enable", serious: true, "no password is given to the relay host: it may refuse all mail"),
        Effect("smtp_sasl_*", "there is no AUTH with other hosts"),
        Effect("lmtp_sasl_*", "there is no AUTH with other hosts"),
        Effect("smtp_sender_dependent_authentication", "there is no AUTH with other hosts"),
        Effect(
            "*header_checks", serious: true,
            "header fields are not looked at: what these rules refused, held, changed or removed goes through"),
        Effect("*body_checks", serious: true, "bodies are not looked at: what these rules refused goes through"),
        Effect("*generic_maps", serious: true, "addresses leave this host unchanged: others may refuse internal ones"),
        Effect("relocated_maps", "mail for people who moved is refused as for unknown users, without their new address"),
        Effect("sender_dependent_*", serious: true, "the way of mail does not depend on its sender: it takes the one of all mail"),
        Effect("smtp_tls_policy_maps", serious: true, "TLS is the same for all destinations: stricter rules for some are not kept"),
        Effect("smtp_tls_per_site", serious: true, "TLS is the same for all destinations"),
        Effect(
            "smtp_tls_wrappermode", serious: true,
            "TLS from the first byte is not spoken to other hosts: port 465 of a relay host will not do"),
        Effect("smtp_use_tls", serious: true, "use smtp_tls_security_level = may"),
        Effect("smtpd_use_tls", serious: true, "use smtpd_tls_security_level = may"),
        Effect("smtp_enforce_tls", serious: true, "use smtp_tls_security_level = encrypt"),
        Effect("smtpd_enforce_tls", serious: true, "use smtpd_tls_security_level = encrypt"),
        Effect("*session_cache_database", "TLS sessions are cached in memory or not at all: no difference but a little time"),
        Effect("*session_cache_timeout", "TLS sessions are cached in memory or not at all: no difference but a little time"),
        Effect("*_ciphers", "the ciphers are those of the TLS library, which has no weak ones"),
        Effect("*_exclude_ciphers", "the ciphers are those of the TLS library, which has no weak ones"),
        Effect("*dh1024_param_file", "there are no finite-field Diffie-Hellman ciphers"),
        Effect("*dh512_param_file", "there are no finite-field Diffie-Hellman ciphers"),
        Effect("tls_*", "it tunes Postfix's TLS library"),
        Effect("smtpd_tls_CApath", "certificates of clients are not asked for"),
        Effect("relay_clientcerts", serious: true, "clients are not known by their certificates: they may not relay"),
        Effect("postscreen_*", "there is no postscreen: its tests, and its block lists, are not made"),
        Effect("address_verify_*", "addresses are not probed"),
        Effect("unverified_*", "addresses are not probed"),
        Effect("fast_flush_*", "postqueue -s looks at the whole queue instead"),
        Effect("*rbl*", "there are no DNS block lists"),
        Effect("smtpd_policy_service_*", "there are no policy services"),
        Effect("smtpd_restriction_classes", serious: true, "there are no restriction classes: where they are named, nothing is checked"),
        Effect("smtpd_client_*_rate_limit", "clients are not counted over time"),
        Effect("anvil_*", "clients are not counted over time"),
        Effect("permit_mx_backup_networks", "permit_mx_backup is not there"),
        Effect("virtual_mailbox_base", serious: true, "there is no virtual(8): mail of virtual_mailbox_domains is put off"),
        Effect("virtual_uid_maps", "there is no virtual(8)"),
        Effect("virtual_gid_maps", "there is no virtual(8)"),
        Effect("virtual_minimum_uid", "there is no virtual(8)"),
        Effect("virtual_mailbox_limit", "there is no virtual(8)"),
        Effect("*_delivery_slot_*", "one value holds for all transports"),
        Effect("*_minimum_delivery_slots", "one value holds for all transports"),
        Effect("*_extra_recipient_limit", "all recipients of an active message are in memory"),
        Effect("*_recipient_refill_limit", "all recipients of an active message are in memory"),
        Effect("*_recipient_refill_delay", "all recipients of an active message are in memory"),
        Effect("qmqpd_*", "there is no QMQP"),
        Effect("multi_instance_*", "instances are directories of their own, each started with -c"),
        Effect("proxy_*", "each program opens its tables itself"),
        Effect("ipc_*", "programs talk to each other in another way"),
        Effect("strict_*", "that check of syntax is not there"),
        Effect("info_log_address_format", "addresses are logged as Postfix does by default"),
        Effect("*_delivery_status_filter", serious: true, "replies are not rewritten: failures stay failures and delays stay delays"),
        Effect("*_reply_filter", serious: true, "replies of other hosts are taken as they are"),
        Effect("smtp_pix_*", "very old firewalls get no special treatment"),
        Effect("in_flow_delay", "clients are held back in another way"),
    ]

    /// The effect of a parameter that is not carried over.
    static func of(_ name: String) -> (text: String, isSerious: Bool) {
        if let effect = effects.first(where: { $0.matches(name) }) { return (effect.text, effect.isSerious) }
        return (Parameters.withoutEffect.contains(name) ? "it has no effect in this version" : "there is no such parameter", false)
    }

    /// What it means that a restriction is left out of a list.
    static func ofRestriction(_ word: String) -> (text: String, isSerious: Bool) {
        if word.hasPrefix("check_policy_service") { return ("the policy service is not asked (greylisting, SPF, quotas)", true) }
        if word.contains("rbl") || word.contains("rhsbl") { return ("that DNS block list is not asked", false) }
        if word.contains("dnswl") || word.contains("rhswl") { return ("that DNS list is not asked: its members get no preference", false) }
        if word.hasPrefix("permit_tls") { return ("clients are not known by their certificates: they may not relay", true) }
        if word.contains("unverified") { return ("addresses are not probed: mail to and from addresses that do not exist is taken", false) }
        if word.hasPrefix("reject_unknown") { return ("names without an entry in DNS are not refused", false) }
        if word.hasPrefix("check_") { return ("that table is not asked", true) }
        if word.hasPrefix("reject") || word.hasPrefix("defer") { return ("what it refused is let in by it", false) }
        if word.hasPrefix("permit") { return ("what it let in goes on to the conditions behind it", false) }
        if word == "sleep" { return ("nobody is made to wait", false) }
        return ("the restriction is not known; a restriction class, perhaps: nothing is checked in its place", true)
    }
}

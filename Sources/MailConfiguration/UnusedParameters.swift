// Parameters that are known and checked, and that no program reads in this version.
//
// A test compares this list with the sources: a parameter that a program begins to read leaves the list.

extension Parameters {
    /// Names that have no effect. Setting one to anything but its default is a warning.
    public static let withoutEffect: Set<String> = [
        "backwards_bounce_logfile_compatibility",
        "best_mx_transport",
        "biff",
        "compatibility_level",
        "confirm_delay_cleared",
        "data_directory",
        "default_extra_recipient_limit",
        "default_recipient_refill_delay",
        "default_recipient_refill_limit",
        "duplicate_filter_limit",
        "enable_long_queue_ids",
        "error_notice_recipient",
        "full_name_encoding_charset",
        "hash_queue_depth",
        "hash_queue_names",
        "header_address_token_limit",
        "header_from_format",
        "lmtp_host_lookup",
        "lmtp_sasl_auth_enable",
        "lmtp_send_xforward_command",
        "max_use",
        "qmgr_message_recipient_minimum",
        "smtp_host_lookup",
        "smtp_per_request_deadline",
        "smtp_pix_workarounds",
        "smtp_sasl_auth_enable",
        "smtp_send_xforward_command",
        "smtpd_authorized_xclient_hosts",
        "smtpd_authorized_xforward_hosts",
        "smtpd_log_access_permit_actions",
        "smtpd_sasl_auth_enable",
        "smtpd_sender_login_maps",
        "smtpd_tls_CAfile",
        "smtpd_tls_ask_ccert",
        "smtpd_tls_auth_only",
        "virtual_mailbox_lock",
    ]

    /// Those of them whose setting disappoints nobody, so that it is no warning.
    static let harmlessWithoutEffect: Set<String> = [
        "backwards_bounce_logfile_compatibility",
        "biff",
        "compatibility_level",
        "data_directory",
        "default_extra_recipient_limit",
        "default_recipient_refill_delay",
        "default_recipient_refill_limit",
        "duplicate_filter_limit",
        "enable_long_queue_ids",
        "hash_queue_depth",
        "hash_queue_names",
        "max_use",
        "qmgr_message_recipient_minimum",
        "smtp_per_request_deadline",
        "smtp_pix_workarounds",
    ]
}

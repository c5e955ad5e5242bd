// Parameters that are known and checked, and that no program reads in this version.
//
// A test compares this list with the sources: a parameter that a program begins to read leaves the list.

extension Parameters {
    /// Names that have no effect. Setting one to anything but its default is a warning.
    public static let withoutEffect: Set<String> = [
        "allow_min_user", "always_add_missing_headers", "always_bcc", "backwards_bounce_logfile_compatibility", "best_mx_transport", "biff",
        "bounce_template_file",
        "command_execution_directory", "compatibility_level", "confirm_delay_cleared", "data_directory", "default_extra_recipient_limit",
        "default_recipient_refill_delay", "default_recipient_refill_limit", "disable_dns_lookups", "duplicate_filter_limit",
        "enable_long_queue_ids", "enable_original_recipient", "error_notice_recipient", "error_transport_name", "expand_owner_alias",
        "frozen_delivered_to", "full_name_encoding_charset", "hash_queue_depth", "hash_queue_names", "header_address_token_limit",
        "header_from_format", "lmtp_cname_overrides_servername", "lmtp_host_lookup", "lmtp_sasl_auth_enable", "lmtp_send_dummy_mail_auth",
        "lmtp_send_xforward_command", "lmtp_tls_CAfile", "lmtp_tls_cert_file", "lmtp_tls_chain_files", "lmtp_tls_key_file",
        "lmtp_tls_mandatory_protocols", "lmtp_tls_protocols", "local_command_shell", "masquerade_domains", "max_use",
        "owner_request_special", "qmgr_message_recipient_minimum", "queue_minfree", "remote_header_rewrite_domain",
        "reset_owner_alias", "resolve_dequoted_address", "smtp_cname_overrides_servername", "smtp_dns_support_level",
        "smtp_host_lookup", "smtp_per_record_deadline", "smtp_pix_workarounds", "smtp_quote_rfc821_envelope", "smtp_sasl_auth_enable",
        "smtp_send_dummy_mail_auth", "smtp_send_xforward_command", "smtp_tls_CAfile", "smtp_tls_cert_file", "smtp_tls_chain_files",
        "smtp_tls_key_file", "smtp_tls_mandatory_protocols", "smtp_tls_protocols", "smtpd_authorized_xclient_hosts",
        "smtpd_authorized_xforward_hosts", "smtpd_command_filter", "smtpd_delay_reject", "smtpd_discard_ehlo_keyword_address_maps",
        "smtpd_history_flush_threshold", "smtpd_log_access_permit_actions", "smtpd_noop_commands", "smtpd_reject_footer",
        "smtpd_reject_unlisted_sender", "smtpd_sasl_auth_enable", "smtpd_sender_login_maps", "smtpd_tls_CAfile", "smtpd_tls_ask_ccert",
        "smtpd_tls_auth_only", "smtpd_tls_mandatory_protocols", "smtpd_tls_protocols", "smtpd_tls_received_header", "virtual_mailbox_lock",
    ]

    /// Those of them whose setting disappoints nobody, so that it is no warning.
    static let harmlessWithoutEffect: Set<String> = [
        "backwards_bounce_logfile_compatibility", "biff", "compatibility_level", "data_directory", "default_extra_recipient_limit",
        "default_recipient_refill_delay", "default_recipient_refill_limit", "enable_long_queue_ids", "hash_queue_depth",
        "hash_queue_names", "max_use", "qmgr_message_recipient_minimum", "smtp_pix_workarounds",
    ]
}

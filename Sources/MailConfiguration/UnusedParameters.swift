// Parameters that are known and checked, and that no program reads in this version.
//
// A test compares this list with the sources: a parameter that a program begins to read leaves the list.

extension Parameters {
    /// Names that have no effect. Setting one to anything but its default is a warning.
    public static let withoutEffect: Set<String> = [
        "backwards_bounce_logfile_compatibility", "best_mx_transport", "biff",

        "compatibility_level", "confirm_delay_cleared", "daemon_timeout", "data_directory",
        "defer_service_name", "duplicate_filter_limit", "enable_long_queue_ids",
        "error_notice_recipient", "export_environment", "fork_attempts", "fork_delay",
        "full_name_encoding_charset", "hash_queue_depth", "hash_queue_names", "header_address_token_limit",
        "header_from_format", "ipc_idle", "lmtp_host_lookup",
        "lmtp_sasl_auth_enable", "lmtp_send_xforward_command",

        "max_use", "mynetworks_style",

        "smtp_host_lookup", "smtp_per_request_deadline", "smtp_pix_workarounds", "smtp_sasl_auth_enable",
        "smtp_send_xforward_command",
        "smtpd_authorized_xclient_hosts",
        "smtpd_authorized_xforward_hosts",
        "smtpd_log_access_permit_actions",
        "smtpd_sasl_auth_enable", "smtpd_sender_login_maps", "smtpd_tls_CAfile", "smtpd_tls_ask_ccert",
        "smtpd_tls_auth_only", "syslog_facility",
        "trace_service_name", "trigger_timeout", "virtual_mailbox_lock",
    ]

    /// Those of them whose setting disappoints nobody, so that it is no warning.
    static let harmlessWithoutEffect: Set<String> = [
        "backwards_bounce_logfile_compatibility", "biff", "compatibility_level", "data_directory", "duplicate_filter_limit",
        "enable_long_queue_ids",
        "fork_attempts", "fork_delay", "hash_queue_depth", "hash_queue_names", "ipc_idle", "max_use", "smtp_per_request_deadline",
        "smtp_pix_workarounds",
    ]
}

// libunbound, set up: one context with its options, its trust anchors and its cache.
//
// Everything that needs a file happens here, before the jail: the context is finished (its configuration can no longer change), and no
// thread runs yet. The library makes its worker thread at the first query.
// Limits: libunbound writes its own complaints to standard error, at verbosity 0.

import CUnbound
import SystemKit

/// Why libunbound could not be set up.
struct UnboundError: Error, CustomStringConvertible {
    let description: String

    init(_ code: Int32, _ operation: String) { description = "libunbound: \(operation): \(UnboundError.text(code))" }
    init(_ description: String) { self.description = description }

    static func text(_ code: Int32) -> String { ub_strerror(code).map { String(cString: $0) } ?? "error \(code)" }
}

/// A context of libunbound that lives as long as the process.
///
/// The address is kept as a number so that the value can pass from the main thread to the event loop. libunbound locks its contexts itself
/// (libunbound(3): "thread-safe"), and after ``init(_:)`` only `UnboundQueries` uses it, on the event loop.
struct UnboundContext: Sendable {
    private let address: UInt

    /// The context. It is never freed, so the pointer stays valid.
    var pointer: OpaquePointer {
        // `init` stores the address of a context that ub_ctx_create made, which is not null.
        guard let pointer = OpaquePointer(bitPattern: address) else { preconditionFailure("no context of libunbound") }
        return pointer
    }

    init(_ settings: ResolverSettings) throws(UnboundError) {
        guard let context = ub_ctx_create() else { throw UnboundError("libunbound: cannot make a context") }
        func check(_ code: Int32, _ operation: String) throws(UnboundError) {
            if code != 0 { throw UnboundError(code, operation) }
        }
        for (name, value) in UnboundContext.options(settings) { try check(ub_ctx_set_option(context, name, value), "\(name) \(value)") }
        for server in settings.nameServers { try check(ub_ctx_set_fwd(context, server.description), "name server \(server)") }
        if !settings.trustAnchorFile.isEmpty {
            FileWatch.ofProcess.add(settings.trustAnchorFile)
            try check(ub_ctx_add_ta_file(context, settings.trustAnchorFile), "trust anchors in \(settings.trustAnchorFile)")
        }
        // Threads, not fork(2): a fork of this process would share its sockets.
        try check(ub_ctx_async(context, 1), "threads")
        // Changing a local zone makes libunbound read all files now. `invalid.` stays as RFC 6761 section 6.4 wants it: no such
        // zone is there, which is no error, and the context is finished.
        try check(ub_ctx_zone_remove(context, "finish.invalid."), "settings")
        if settings.areServersExplicit {
            for zone in ["test.", "127.in-addr.arpa.", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa."] {
                try check(ub_ctx_zone_remove(context, zone), "local zone \(zone)")
            }
        }
        address = UInt(bitPattern: context)
    }

    private static func options(_ settings: ResolverSettings) -> [(String, String)] {
        [
            // The name server may be on this host.
            ("do-not-query-localhost:", "no"),
            // Addresses of private networks are asked of the name servers, which may know them (RFC 6303 is for the public DNS).
            ("unblock-lan-zones:", settings.nameServers.isEmpty ? "no" : "yes"),
            ("module-config:", settings.trustAnchorFile.isEmpty ? "iterator" : "validator iterator"),
            // A third of the cache for answers, the rest for their records.
            ("msg-cache-size:", "\(settings.cacheSize / 3)"),
            ("rrset-cache-size:", "\(settings.cacheSize - settings.cacheSize / 3)"),
            // As many queries as a busy smtp process has deliveries; libunbound's own default suits a web browser.
            ("outgoing-range:", "512"),
            ("num-queries-per-thread:", "1024"),
            ("outgoing-num-tcp:", "32"),
            // A name server that was down is tried again soon: mail waits for it.
            ("infra-host-ttl:", "60"),
            ("infra-keep-probing:", "yes"),
            ("cache-max-negative-ttl:", "300"),
        ]
    }
}

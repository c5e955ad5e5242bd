// Values and services of Postfix in Martlet's form. Whole configurations, and what check says of the result, are in
// Tests/SystemTests/test_import.py.

import LookupTables
import MailConfiguration
import MailModel
import SystemKit
import Testing

@testable import Administration

/// A directory that goes with its owner.
private final class Scratch {
    let path: String

    init(_ files: [String: String]) throws {
        path = "/tmp/martlet-import-\(ProcessSpawn.currentProcessID)-\(UInt32.random(in: 0 ... .max))"
        try Files.makeDirectory(path)
        for (name, text) in files {
            let file = try FileDescriptor.open("\(path)/\(name)", [.writeOnly, .create])
            try file.writeAll(Array(text.utf8))
        }
    }

    deinit {
        for name in (try? Files.directoryEntries(path)) ?? [] { try? Files.unlink("\(path)/\(name)") }
        try? Files.removeDirectory(path)
    }
}

@Suite struct ImportValuesTests {
    /// OLD stands for the directory that is read; it has `virtual`, `clients` and `nets.cidr`.
    @Test(arguments: [
        ("mydestination", "$myhostname, localhost", "$myhostname, localhost"),
        ("mynetworks", "127.0.0.0/8 [::1]/128", "127.0.0.0/8 [::1]/128"),
        ("mynetworks", "127.0.0.0/8 cidr:OLD/nets.cidr", "127.0.0.0/8, cidr:/new/nets.cidr"),
        ("virtual_alias_maps", "hash:OLD/virtual", "lmdb:/new/virtual"),
        ("virtual_alias_maps", "hash:$config_directory/virtual", "lmdb:/new/virtual"),
        ("virtual_alias_maps", "proxy:btree:${config_directory}/virtual", "proxy:lmdb:/new/virtual"),
        ("virtual_alias_maps", "${indexed}virtual, regexp:{{/x/ y}}", "lmdb:/new/virtual, regexp:{{/x/ y}}"),
        ("virtual_alias_maps", "$default_database_type:OLD/virtual", "lmdb:/new/virtual"),
        ("virtual_alias_maps", "hash:OLD/nosuch, hash:OLD/virtual", "lmdb:/new/virtual"),
        ("virtual_alias_maps", "ldap:OLD/virtual, mysql:OLD/x", nil),
        ("local_recipient_maps", "proxy:unix:passwd.byname $alias_maps", "proxy:unix:passwd.byname $alias_maps"),
        ("alias_maps", "cdb:OLD/virtual, nis:mail.aliases", "cdb:/new/virtual"),
        ("relayhost", "[mail.example.org]:587", "[mail.example.org]:587"),
        ("smtpd_tls_cert_file", "OLD/clients", "/new/clients"), ("smtpd_tls_cert_file", "OLD/../etc/passwd", "OLD/../etc/passwd"),
        ("smtpd_relay_restrictions", "permit_mynetworks, reject_unauth_destination", "permit_mynetworks, reject_unauth_destination"),
        (
            "smtpd_recipient_restrictions", "permit_mynetworks check_policy_service unix:private/p reject_unauth_destination",
            "permit_mynetworks, reject_unauth_destination"
        ),
        ("smtpd_client_restrictions", "check_client_access hash:OLD/clients, permit", "check_client_access, lmdb:/new/clients, permit"),
        ("smtpd_client_restrictions", "hash:OLD/clients", "check_client_access, lmdb:/new/clients"),
        ("smtpd_client_restrictions", "check_client_access ldap:x, permit", "permit"),
        ("smtpd_client_restrictions", "warn_if_reject reject_rbl_client a.test, reject", "reject"),
        ("smtpd_client_restrictions", "reject_rbl_client a.test sleep 1", nil),
        ("smtpd_sender_restrictions", "$mine, permit", "permit_mynetworks, permit"),
    ])
    func convert(_ name: String, _ value: String, _ expected: String?) throws {
        let scratch = try Scratch(["virtual": "a b\n", "clients": "x OK\n", "nets.cidr": "10.0.0.0/8 OK\n"])
        var values = ImportValues(
            source: scratch.path, target: "/new",
            settings: ["indexed": "hash:$config_directory/", "mine": "permit_mynetworks, reject_unknown_sender_domain"])
        let place = ImportPlace(file: "main.cf", line: 1, name: name)
        let result = values.convert(value.replacing("OLD", with: scratch.path), place)
        #expect(result == expected?.replacing("OLD", with: scratch.path))
        // What is not the same any more has been said.
        let isChanged = result.map { WordList.split($0) != WordList.split(value.replacing("OLD", with: scratch.path)) } ?? true
        let isMoved = !values.files.isEmpty
        #expect(!values.findings.isEmpty || !isChanged || isMoved)
    }

    @Test func theFilesOfATableAreCopiedAndIndexed() throws {
        let scratch = try Scratch(["aliases": "a: b\n"])
        var values = ImportValues(source: scratch.path, target: "/new", settings: [:])
        _ = values.convert("hash:\(scratch.path)/aliases", ImportPlace(file: "main.cf", line: 1, name: "alias_maps"))
        #expect(values.files == ["\(scratch.path)/aliases": "/new/aliases"])
        #expect(values.tables == ["/new/aliases": .aliases])
    }
}

@Suite struct ImportServicesTests {
    private func services(_ text: String) -> (services: ImportServices, findings: [ImportFinding]) {
        var values = ImportValues(source: "/old", target: "/new", settings: ["content_filter": "filter:"])
        let services = ImportServices(MasterText(Array(text.utf8)), file: "master.cf", values: &values)
        return (services, values.findings)
    }

    @Test(arguments: [
        ("smtp inet n - y - - smtpd", "smtp inet n y n - 2 smtpd"),
        ("465 inet n - y - 50 smtpd -o smtpd_tls_wrappermode=yes -v", "465 inet n y n - 1 smtpd -o smtpd_tls_wrappermode=yes"),
        ("x inet n - y - - smtpd -o { smtpd_banner = a b }", "x inet n y n - 1 smtpd -o { smtpd_banner = a b }"),
        ("x inet n - n - - smtpd -o content_filter= -o smtpd_milters=", "x inet n y n - 1 smtpd"),
        ("smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd -o smtpd_banner=x", "smtp inet n y n - 2 smtpd -o smtpd_banner=x"),
        ("slow unix - - y - 3 smtp -o smtp_helo_timeout=9", "slow unix - y n - 1 smtp -o smtp_helo_timeout=9"),
        ("smtp unix - - y - - smtp -o smtp_helo_timeout=9", "smtp unix - y n - 2 smtp -o smtp_helo_timeout=9"),
        ("qmgr fifo n - n 300 1 oqmgr", "qmgr unix n y n 300 1 qmgr"),
    ])
    func become(_ line: String, _ expected: String) {
        let text = services(line).services.text(comment: "")
        let lines = text.replacing("\n  -o", with: " -o").split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
        #expect(lines.contains(expected), "\(text)")
        // What Martlet needs is there, whatever the old file had, and the whole is a master.cf.
        #expect(throws: Never.self) { try MasterFile.parse(text: text) }
        for name in ["pickup", "cleanup", "qmgr", "bounce", "resolver", "smtp", "local"] {
            #expect(lines.contains { $0.hasPrefix("\(name) unix") })
        }
    }

    @Test(arguments: [
        ("filter unix - n n - - pipe flags=Rq user=x argv=/bin/x", ImportFinding.Kind.unsupported),
        ("uucp unix - n n - - pipe flags=Rq user=x argv=/bin/x", .needless), ("tlsmgr unix - - y 1000? 1 tlsmgr", .needless),
        ("virtual unix - n n - - virtual", .needless), ("x inet n n n - - spawn user=x argv=/bin/x", .unsupported),
        ("dovecot unix - - n - - lmtp", .changed), ("x inet n - n - - smtpd -o content_filter=y", .unsupported), ("x y z", .unsupported),
    ])
    func areRemarkedOn(_ line: String, _ kind: ImportFinding.Kind) {
        let findings = services(line).findings
        #expect(findings.map(\.kind) == [kind], "\(findings)")
        #expect(findings.allSatisfy { $0.line == 1 && $0.file == "master.cf" })
    }
}

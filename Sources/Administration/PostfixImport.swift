// martlet import postfix, the work: reads a Postfix configuration and makes Martlet's of it, with a remark on everything that changes.
//
// Security: nothing of the old installation is changed or run. Files are copied with their owner and mode, so that a private key stays private.
// An existing file of the new configuration is never replaced without a copy of it beside it.
// Known limits: entries of tables are not looked at, but for transports that are not there any more.

import LookupTables
import MailConfiguration
import MailModel
import SystemKit

/// What an import would write, and what it has to say.
struct PostfixImport {
    let source: String
    let target: String
    private(set) var mainText = ""
    private(set) var masterText = ""
    /// Files to be copied, by their old place.
    private(set) var files: [String: String] = [:]
    /// Tables to be indexed, by their new place.
    private(set) var tables: [String: TableSource.Format] = [:]
    private(set) var findings: [ImportFinding] = []
    private(set) var carried = 0
    private(set) var total = 0

    /// Reads the directory; throws where there is no main.cf.
    init(source: String, target: String) throws(SystemError) {
        self.source = source
        self.target = target
        let mainPath = source + "/main.cf"
        let masterPath = source + "/master.cf"
        let mainBytes = try Files.contents(of: mainPath)
        let masterBytes = (try? Files.contents(of: masterPath)) ?? []
        var settings: [String: String] = [:]
        for entry in MainFile(mainBytes, file: mainPath).entries { settings[entry.name] = entry.value }
        var values = ImportValues(source: source, target: target, settings: settings)
        let services = ImportServices(MasterText(masterBytes, file: masterPath), file: masterPath, values: &values)
        var main = ImportMain(mainBytes, file: mainPath, services: services, values: &values)
        main.complete(settings, services, &values, file: mainPath)
        for path in values.files.keys.sorted() { Self.lookForTransports(path, services, &values) }
        let comment = "# Made by \"martlet import postfix\" from %s. Lines that were not carried over are comments.\n\n"
        mainText = main.text(comment: comment.replacing("%s", with: mainPath))
        masterText = services.text(comment: "# Made by \"martlet import postfix\" from \(masterPath).\n")
        files = values.files
        tables = values.tables
        carried = main.carried
        total = main.total
        findings = values.findings.sorted { ($0.file, $0.line) < ($1.file, $1.line) }
    }

    /// Entries of transport tables that name a transport that is not there.
    private static func lookForTransports(_ path: String, _ services: ImportServices, _ values: inout ImportValues) {
        guard path.split(separator: "/").last?.contains("transport") == true, let bytes = try? Files.contents(of: path, limit: 1 << 28)
        else { return }
        for entry in TableSource(bytes, format: .table).entries {
            let transport = String(decoding: entry.value.prefix { $0 != UInt8(ascii: ":") }, as: UTF8.self)
            guard services.lostTransports[transport] != nil || services.renamedTransports[transport] != nil else { continue }
            values.note(
                ImportPlace(file: path, line: entry.line, name: ASCII.printable(entry.key)), .unsupported, isSerious: true,
                services.renamedTransports[transport].map { "the transport \(transport) is named \($0) now: change the entry" }
                    ?? "there is no transport \(transport): mail for this entry waits in the queue")
        }
    }

    /// Writes the new configuration and builds the indexes; returns the copies that were made of existing files.
    mutating func write() throws(SystemError) -> [String] {
        var backups: [String] = []
        if try !Files.exists(target) { try Files.makeDirectory(target, mode: 0o755) }
        for (old, new) in files.sorted(by: { $0.key < $1.key }) {
            let bytes = try Files.contents(of: old, limit: 1 << 30)
            let status = try Files.status(of: old)
            try makeParents(of: new)
            try put(bytes, at: new, like: status, &backups)
        }
        try put(Array(mainText.utf8), at: target + "/main.cf", like: nil, &backups)
        try put(Array(masterText.utf8), at: target + "/master.cf", like: nil, &backups)
        for (path, format) in tables.sorted(by: { $0.key < $1.key }) { index(path, format) }
        return backups
    }

    private func makeParents(of path: String) throws(SystemError) {
        var directory = target
        for part in path.dropFirst(target.count + 1).split(separator: "/").dropLast() {
            directory += "/" + part
            if try !Files.exists(directory) { try Files.makeDirectory(directory, mode: 0o755) }
        }
    }

    /// Puts a file in place in one step; what was there before stays beside it.
    private func put(_ bytes: [UInt8], at path: String, like status: FileStatus?, _ backups: inout [String]) throws(SystemError) {
        if try Files.exists(path) {
            if try Files.contents(of: path, limit: 1 << 30) == bytes { return }
            var backup = path + ".before-import"
            var number = 1
            while try Files.exists(backup) {
                number += 1
                backup = "\(path).before-import.\(number)"
            }
            try Files.link(path, backup)
            backups.append(backup)
        }
        let temporary = "\(path).\(ProcessSpawn.currentProcessID).tmp"
        do throws(SystemError) {
            let file = try FileDescriptor.open(temporary, [.writeOnly, .create, .exclusive, .noFollow])
            if let status, Privileges.isRoot { try file.setOwner(status.owner, group: status.group) }
            try file.setMode(status.map { $0.mode & 0o777 } ?? 0o644)
            try file.writeAll(bytes)
            try file.synchronize()
            try Files.rename(temporary, path)
        } catch {
            try? Files.unlink(temporary)
            throw error
        }
    }

    /// Builds an index as postmap does: a line that is no entry is left out, with a remark.
    private mutating func index(_ path: String, _ format: TableSource.Format) {
        func remark(_ line: Int, _ text: String) {
            findings.append(ImportFinding(path, line, "table", .unsupported, isSerious: line == 0, text))
        }
        do {
            let bytes = try Files.contents(of: path, limit: TableBuilder.maximumSourceSize)
            let source = TableSource(bytes, format: format)
            for problem in source.errors { remark(problem.line, "the line is left out of the table: \(problem.text)") }
            let entries = source.entries.filter { $0.key.count <= IndexType.lmdb.maximumKeyLength }
            let status = try Files.status(of: path)
            _ = try TableBuilder.write(entries, source: path, like: status, type: .lmdb, sourceSize: bytes.count)
        } catch {
            remark(0, "the index could not be built: \(error)")
        }
    }
}

// postmap and postalias: build, query, list and change indexed tables.
//
// As Postfix's: a line that is no entry is a warning and the rest is built; `martlet map build` is strict. A table is never changed in
// place: -i and -d write a whole new file and put it in the old one's place, so that nobody reads half a change.

import LookupTables
import MailConfiguration
import MailModel
import SystemKit

enum PostmapCommand {
    private static let usages: [TableSource.Format: String] = [
        .table: "[-bfFhimnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file...",
        .aliases: "[-Nfinoprsuvw] [-c config_dir] [-d key] [-q key] [map_type:]file...",
    ]

    static func run(_ session: ClassicSession, format: TableSource.Format) throws(ClassicFailure) -> Int32 {
        let usage = usages[format] ?? ""
        let letters = format == .table ? "Nbc:d:fFhimnopq:rsuUvw" : "Nc:d:finopq:rsuvw"
        let options = try ClassicOptions(session, letters, usage: usage)
        if let directory = options.argument(of: "c") { session.directory = directory }
        if options.given(of: "sqd").count > 1 { throw ClassicFailure("specify only one of -s -q or -d") }
        if options.has("F") { throw ClassicFailure("-F: tables with the content of files as values are not supported by Martlet") }
        if options.operands.isEmpty { throw ClassicFailure("usage: \(session.name) \(usage)") }
        let main = try session.configuration()
        let tables = options.operands.map { word in
            TableSpecification(word.contains(":") ? word : "\(main[Parameters.defaultDatabaseType]):\(word)")
        }
        let job = TableJob(session: session, format: format, options: options)
        if let key = options.argument(of: "q") {
            if key == "-" { return try job.queryInput(tables) ? 0 : 1 }
            if options.has("b") || options.has("h") || options.has("m") { throw ClassicFailure("specify -b -h or -m only with \"-q -\"") }
            guard let value = try job.lookup(Array(key.utf8), tables) else { return 1 }
            session.output.write(value + [UInt8(ascii: "\n")])
            return 0
        }
        if let key = options.argument(of: "d") {
            let keys = key == "-" ? try session.inputLines() : [Array(key.utf8)]
            var isFound = false
            for table in tables where try job.delete(keys, from: table) { isFound = true }
            return isFound ? 0 : 1
        }
        for table in tables {
            if options.has("s") {
                try job.list(table)
            } else if options.has("i") {
                try job.add(try session.inputLines(), to: table)
            } else {
                try job.build(table)
            }
        }
        return 0
    }
}

/// What one call does to its tables.
private struct TableJob {
    let session: ClassicSession
    let format: TableSource.Format
    let options: ClassicOptions

    private var entryForm: String { format == .table ? "expected format: key whitespace value" : "need name:value pair" }

    /// The index type of a table that can be built.
    private func indexType(_ table: TableSpecification) throws(ClassicFailure) -> IndexType {
        if let type = table.indexType { return type }
        if TableSpecification.types.contains(table.type) {
            throw ClassicFailure("unsupported dictionary type: \(table.type) does not support bulk-mode creation.")
        }
        throw ClassicFailure("unsupported dictionary type: \(table.type). Martlet has: \(TableSpecification.types.joined(separator: " "))")
    }

    // Building

    func build(_ table: TableSpecification) throws(ClassicFailure) {
        let type = try indexType(table)
        let bytes: [UInt8]
        let status: FileStatus
        do throws(SystemError) {
            let file = try FileDescriptor.open(table.name, .readOnly)
            status = try file.status()
            bytes = try file.readAll(limit: TableBuilder.maximumSourceSize)
        } catch {
            throw ClassicFailure(error)
        }
        let entries = merge(TableSource(bytes, format: format), into: [], source: table.name, table: table, type: type)
        try write(entries, table, type, like: status)
    }

    /// Entries of a source added to those there are, with Postfix's warnings; -r lets a later entry replace an earlier one.
    private func merge(
        _ source: TableSource, into old: [TableSource.Entry], source name: String, table: TableSpecification, type: IndexType
    ) -> [TableSource.Entry] {
        var entries = old
        var places: [[UInt8]: Int] = [:]
        for (index, entry) in old.enumerated() { places[entry.key] = index }
        for problem in source.errors { session.warn("\(name), line \(problem.line): \(entryForm)") }
        for entry in (source.entries + source.duplicates).sorted(by: { $0.line < $1.line }) {
            if entry.key.count > type.maximumKeyLength {
                session.warn("\(name), line \(entry.line): the key is longer than \(type.maximumKeyLength) bytes: skipping this entry")
            } else if let place = places[entry.key] {
                if options.has("r") {
                    entries[place] = entry
                } else if !options.has("w") {
                    session.warn("\(table.description): duplicate entry: \"\(ASCII.printable(entry.key))\"")
                }
            } else {
                places[entry.key] = entries.count
                entries.append(entry)
            }
        }
        return entries
    }

    private func write(
        _ entries: [TableSource.Entry], _ table: TableSpecification, _ type: IndexType, like status: FileStatus
    ) throws(ClassicFailure) {
        let size = entries.reduce(0) { $0 + $1.key.count + $1.value.count + 2 }
        do throws(ConfigurationErrors) {
            _ = try TableBuilder.write(entries, source: table.name, like: status, type: type, sourceSize: size)
        } catch {
            throw ClassicFailure(error.problems.first?.text ?? "\(table.name): cannot be written")
        }
    }

    // Changing

    private func contents(_ table: TableSpecification, _ type: IndexType) throws(ClassicFailure) -> [TableSource.Entry] {
        try requireIndex(table)
        do throws(LookupError) {
            return try IndexContents.entries(of: table.indexPath, type: type)
        } catch {
            throw ClassicFailure(error.description)
        }
    }

    private func requireIndex(_ table: TableSpecification) throws(ClassicFailure) {
        guard table.isIndexed else { return }
        do throws(SystemError) {
            _ = try Files.status(of: table.indexPath)
        } catch {
            throw ClassicFailure("open database \(table.indexPath): \(error.reason)")
        }
    }

    private func status(_ path: String) throws(ClassicFailure) -> FileStatus {
        do throws(SystemError) { return try Files.status(of: path) } catch { throw ClassicFailure(error) }
    }

    func add(_ lines: [[UInt8]], to table: TableSpecification) throws(ClassicFailure) {
        let type = try indexType(table)
        let isThere = (try? Files.exists(table.indexPath)) ?? false
        let old = isThere ? try contents(table, type) : []
        let source = TableSource(Array(lines.joined(separator: [UInt8(ascii: "\n")])), format: format)
        let entries = merge(source, into: old, source: "stdin", table: table, type: type)
        try write(entries, table, type, like: try status(isThere ? table.indexPath : table.name))
    }

    /// Whether one of the keys was there.
    func delete(_ keys: [[UInt8]], from table: TableSpecification) throws(ClassicFailure) -> Bool {
        let type = try indexType(table)
        let old = try contents(table, type)
        let unwanted = Set(keys.map { $0.map(ASCII.lowercased) })
        let kept = old.filter { !unwanted.contains($0.key) }
        if kept.count == old.count { return false }
        try write(kept, table, type, like: try status(table.indexPath))
        return true
    }

    // Asking

    func lookup(_ key: [UInt8], _ tables: [TableSpecification]) throws(ClassicFailure) -> [UInt8]? {
        for table in tables {
            try check(table)
            do throws(LookupError) {
                if let value = try table.open().lookup(key) { return value }
            } catch {
                throw ClassicFailure(error.description)
            }
        }
        return nil
    }

    private func check(_ table: TableSpecification) throws(ClassicFailure) {
        guard TableSpecification.types.contains(table.type) else {
            throw ClassicFailure("unsupported dictionary type: \(table.type)")
        }
        try requireIndex(table)
    }

    /// One key on a line of standard input; with -h and -b the header fields or body lines of a message there.
    func queryInput(_ tables: [TableSpecification]) throws(ClassicFailure) -> Bool {
        for table in tables { try check(table) }
        let opened = tables.map { $0.open() }
        let lines = try session.inputLines()
        var keys: [[UInt8]] = []
        if options.has("h") || options.has("b") || options.has("m") {
            let end = lines.firstIndex(of: []) ?? lines.count
            if options.has("h") || !options.has("b") {
                for line in lines[..<end] {
                    if line.first.map(ASCII.isSpace) ?? false, !keys.isEmpty {
                        keys[keys.count - 1] += [UInt8(ascii: "\n")] + line
                    } else {
                        keys.append(line)
                    }
                }
            }
            if options.has("b") { keys += lines.dropFirst(end + 1) }
        } else {
            keys = lines
        }
        var isFound = false
        for key in keys {
            do throws(LookupError) {
                for table in opened {
                    guard let value = try table.lookup(key) else { continue }
                    isFound = true
                    session.output.write(key + separator + value + [UInt8(ascii: "\n")])
                    break
                }
            } catch {
                throw ClassicFailure(error.description)
            }
        }
        return isFound
    }

    private var separator: [UInt8] { format == .table ? [UInt8(ascii: "\t")] : Array(":\t".utf8) }

    func list(_ table: TableSpecification) throws(ClassicFailure) {
        let entries: [TableSource.Entry]
        if let type = table.indexType {
            entries = try contents(table, type)
        } else if table.type == "texthash" {
            entries = TableSource(try session.contents(of: table.name), format: format).entries
        } else {
            try check(table)
            throw ClassicFailure("table \(table.description): sequence operation is not supported")
        }
        for entry in entries { session.output.write(entry.key + separator + entry.value + [UInt8(ascii: "\n")]) }
    }
}

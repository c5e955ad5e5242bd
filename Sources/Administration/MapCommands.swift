// martlet map: building the indexes of tables, and asking tables.

import ArgumentParser
import LookupTables
import MailConfiguration

struct MapCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "map", abstract: "Build and query lookup tables.", subcommands: [MapBuildCommand.self, MapQueryCommand.self])
}

struct MapBuildCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "build", abstract: "Build the indexes of tables (as postmap, postalias and newaliases).",
        discussion: "Programs go on with the old index until the new one is complete.")

    @OptionGroup var common: CommonOptions

    @Flag(name: .long, help: "The sources have the format of aliases(5). Without tables, those of alias_database are built.")
    var aliases = false

    @Argument(help: "Tables as type:file, or file for the type default_database_type.")
    var tables: [String] = []

    func validate() throws {
        if tables.isEmpty && !aliases { throw ValidationError("Which table is to be built? (--aliases builds those of alias_database)") }
    }

    func run() throws {
        let main = try common.loadMain()
        let specifications = tables.isEmpty ? main[Parameters.aliasDatabase] : tables
        var hasFailed = false
        for text in specifications {
            let named = text.contains(":") ? text : "\(main[Parameters.defaultDatabaseType]):\(text)"
            let specification = TableSpecification(named)
            guard let type = specification.indexType else {
                // alias_database may name tables that are read as text: nothing is to be done for them.
                if aliases {
                    Diagnostics.note("\(named): a table of this type needs no index")
                    continue
                }
                Diagnostics.error("\(named): tables of type \(specification.type) have no index (those of lmdb, hash, btree and cdb have)")
                hasFailed = true
                continue
            }
            do throws(ConfigurationErrors) {
                let report = try TableBuilder.build(source: specification.name, format: aliases ? .aliases : .table, type: type)
                for warning in report.warnings { Diagnostics.warning(warning.description) }
            } catch {
                for problem in error.problems { Diagnostics.error(problem.description) }
                hasFailed = true
            }
        }
        if hasFailed { throw SystemExit.data }
    }
}

struct MapQueryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "query", abstract: "Look a key up: status 0 and the value, 1 where there is none, 75 where the table fails.")

    @OptionGroup var common: CommonOptions

    @Flag(name: .long, help: "Print one JSON object.")
    var json = false

    @Argument(help: "The key.")
    var key: String

    @Argument(help: "Tables as type:name, in the order in which they are asked.")
    var tables: [String]

    func run() throws {
        let found: String?
        do throws(LookupError) {
            found = try TableSet(specifications: tables).lookup(key)
        } catch {
            Diagnostics.error(error.description)
            throw SystemExit.temporary
        }
        if json {
            let value: JSONText = found.map { .text($0) } ?? .null
            print(JSONText.object([("key", .text(key)), ("found", .flag(found != nil)), ("value", value)]).encoded)
        } else if let found {
            print(found)
        }
        if found == nil { throw SystemExit.negative }
    }
}

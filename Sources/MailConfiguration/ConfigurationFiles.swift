// Reading main.cf and master.cf from their directory.

import SystemKit

/// The files of a configuration directory.
public enum ConfigurationFiles {
    /// How large main.cf and master.cf may be, in bytes.
    static let maximumSize = 4 << 20

    /// The configuration directory where neither an option nor `MAIL_CONFIG` names one.
    public static let defaultDirectory = "/etc/martlet"

    static func read(_ path: String) throws(ConfigurationErrors) -> [UInt8] {
        do throws(SystemError) {
            let bytes = try Files.contents(of: path, limit: maximumSize)
            return bytes
        } catch {
            throw ConfigurationErrors([ConfigurationProblem(file: path, line: 0, text: error.description)])
        }
    }

    /// The first line of a file, without surrounding white space; nil where it cannot be read.
    static func firstLine(_ path: String) -> String? {
        guard let bytes = try? Files.contents(of: path, limit: 65_536) else { return nil }
        return LogicalLine.split(bytes.prefix { $0 != UInt8(ascii: "\n") }).first.map { String(decoding: $0.text, as: UTF8.self) }
    }
}

extension Configuration {
    /// Reads `main.cf` (and, for the names of transports, `master.cf`) in a directory.
    ///
    /// - Throws: every error of main.cf; a missing file is an error. Errors of master.cf are left to ``MasterFile``.
    public static func load(directory: String, overrides: Overrides = []) throws(ConfigurationErrors) -> Configuration {
        var snapshot = try ConfigurationSnapshot.read(directory: directory)
        return try snapshot.check(overrides: overrides)
    }
}

extension MasterFile {
    /// Reads `master.cf` in a directory.
    public static func load(directory: String) throws(ConfigurationErrors) -> MasterFile {
        let path = directory + "/master.cf"
        return try parse(bytes: try ConfigurationFiles.read(path), file: path)
    }
}

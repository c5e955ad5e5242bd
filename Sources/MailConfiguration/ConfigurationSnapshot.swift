// main.cf and master.cf as they were at one moment, and whatever else their values are made from: what master checks and hands to the
// programs it starts, so that a file that is changed later, or is broken, changes nothing before a reload.
//
// Security: the encoded form is read from a sealed descriptor that only master makes; the decoder is total and bounded all the same.
// Known limits: tables and files that values name (`hash:`, `/file/name`) are not part of it; programs open them when they start.

import SystemKit

/// The text of a configuration, from which any program's values can be made without opening a file.
public struct ConfigurationSnapshot: Hashable, Sendable {
    /// `config_directory`; problems name the files in it.
    public let directory: String
    private let hostName: String
    private let main: [UInt8]
    /// nil where there was no master.cf that could be read.
    private let master: [UInt8]?
    /// What values needed from outside while it was checked: first lines of files that `myorigin` names, the networks of interfaces.
    private var outside: [String: String]

    /// A configuration that is in no file.
    public init(main: String, master: String, directory: String = "/etc/martlet", hostName: String = "localhost") {
        self.init(directory: directory, hostName: hostName, main: Array(main.utf8), master: Array(master.utf8))
    }

    init(directory: String, hostName: String, main: [UInt8], master: [UInt8]?, outside: [String: String] = [:]) {
        self.directory = directory
        self.hostName = hostName
        self.main = main
        self.master = master
        self.outside = outside
    }

    /// Reads the files of a directory. A missing main.cf is an error; one of master.cf is left to ``masterFile()``.
    public static func read(directory: String) throws(ConfigurationErrors) -> ConfigurationSnapshot {
        ConfigurationSnapshot(
            directory: directory, hostName: HostName.current, main: try ConfigurationFiles.read(directory + "/main.cf"),
            master: try? ConfigurationFiles.read(directory + "/master.cf"))
    }

    /// The values, made with what is in the snapshot alone.
    public func configuration(overrides: Configuration.Overrides = []) throws(ConfigurationErrors) -> Configuration {
        let lines = outside
        return try make(overrides) { lines[$0] }
    }

    /// The values, made with other files too where they name some; what these said becomes part of the snapshot.
    public mutating func check(overrides: Configuration.Overrides = []) throws(ConfigurationErrors) -> Configuration {
        let reader = OutsideReader(outside)
        defer { outside = reader.known }
        return try make(overrides) { reader.line(of: $0) }
    }

    private func make(
        _ overrides: Configuration.Overrides, _ readOutside: @escaping (String) -> String?
    ) throws(ConfigurationErrors) -> Configuration {
        let services = try? masterFile()
        return try Configuration(
            bytes: main, overrides: overrides, file: directory + "/main.cf", directory: directory, hostName: hostName,
            transports: services.map { Set($0.entries.map(\.service)) }, readOutside: readOutside)
    }

    /// master.cf; throws every error of it.
    public func masterFile() throws(ConfigurationErrors) -> MasterFile {
        // Read again where it could not be read: the reason belongs into the error.
        let path = directory + "/master.cf"
        if let master { return try MasterFile.parse(bytes: master, file: path) }
        return try MasterFile.parse(bytes: try ConfigurationFiles.read(path), file: path)
    }
}

/// Asks the system, and each question once.
private final class OutsideReader {
    private(set) var known: [String: String]

    init(_ known: [String: String]) { self.known = known }

    func line(of path: String) -> String? {
        if let line = known[path] { return line }
        let line =
            path == "interfaces"
            ? InterfaceAddresses.networks().map(\.description).joined(separator: " ") : ConfigurationFiles.firstLine(path)
        known[path] = line
        return line
    }
}

// MARK: Handing it on

extension ConfigurationSnapshot {
    /// How large the encoded form may be: both files and some first lines.
    public static let maximumEncodedSize = 16 << 20
    private static let magic = Array("martlet configuration 1\n".utf8)

    /// The snapshot as bytes: the magic, then each part as its length in four bytes (little-endian) and its bytes.
    public var encoded: [UInt8] {
        var result = Self.magic
        func add(_ part: [UInt8]) {
            withUnsafeBytes(of: UInt32(part.count).littleEndian) { result += $0 }
            result += part
        }
        add(Array(directory.utf8))
        add(Array(hostName.utf8))
        add(main)
        // An empty master.cf and none are the same to whoever reads it: there are no services.
        add(master ?? [])
        for (path, line) in outside.sorted(by: { $0.key < $1.key }) {
            add(Array(path.utf8))
            add(Array(line.utf8))
        }
        return result
    }

    /// Reads ``encoded``; nil for anything else.
    public init?(encoded bytes: [UInt8]) {
        guard bytes.starts(with: Self.magic), bytes.count <= Self.maximumEncodedSize else { return nil }
        var rest = bytes.dropFirst(Self.magic.count)
        var parts: [[UInt8]] = []
        while !rest.isEmpty {
            let length = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
            guard rest.count >= 4, rest.count - 4 >= length else { return nil }
            parts.append(Array(rest.dropFirst(4).prefix(length)))
            rest = rest.dropFirst(4 + length)
        }
        guard parts.count >= 4, parts.count.isMultiple(of: 2) else { return nil }
        func text(_ part: [UInt8]) -> String { String(decoding: part, as: UTF8.self) }
        var lines: [String: String] = [:]
        for index in stride(from: 4, to: parts.count, by: 2) { lines[text(parts[index])] = text(parts[index + 1]) }
        self.init(directory: text(parts[0]), hostName: text(parts[1]), main: parts[2], master: parts[3], outside: lines)
    }
}

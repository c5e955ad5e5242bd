// What only a program itself can say of its configuration: restrictions, certificates, tables, name servers. Each program of master.cf is
// started with its options and `-k`: it prepares as it would for its work, says what is wrong, and ends before it gives up rights or serves.
//
// Security: the programs are those that master starts, from daemon_directory, with the caller's rights and no more.

import MailConfiguration
import SystemKit

/// The word of one program about its configuration.
struct ProgramCheck {
    private(set) var errors: [String] = []
    private(set) var warnings: [String] = []

    /// What a program may say, in bytes.
    private static let limit = 1 << 16

    init(_ entry: MasterEntry, program: String, directory: String) {
        var arguments = [entry.command, "-k", "-n", entry.service, "-t", entry.type.rawValue]
        for override in entry.overrides { arguments += ["-o", "\(override.name)=\(override.value)"] }
        do throws(SystemError) {
            let ends = try FileDescriptor.pipe().release()
            let reader = FileDescriptor(owning: ends.read)
            let writer = FileDescriptor(owning: ends.write)
            let null = try FileDescriptor.open("/dev/null", .readWrite)
            let pid = try ProcessSpawn.spawn(
                path: program, arguments: arguments + ["-c", directory], environment: nil,
                descriptors: [(null.rawValue, 0), (null.rawValue, 1), (writer.rawValue, 2)])
            _ = consume writer
            var said: [UInt8] = []
            while case let piece = try reader.read(upTo: 4096), !piece.isEmpty {
                if said.count < Self.limit { said += piece }
            }
            let status = try ProcessSpawn.wait(for: pid)
            take(said)
            if !status.isSuccess && errors.isEmpty {
                errors.append("\(entry.command) ends with \(status) when its configuration is checked")
            }
        } catch {
            errors.append("\(error)")
        }
    }

    /// Lines like `martlet/smtpd[12]: fatal: text`, or `smtpd: fatal: text` from before there was a log.
    private mutating func take(_ said: [UInt8]) {
        for line in said.split(separator: UInt8(ascii: "\n")) {
            let text = String(decoding: line, as: UTF8.self)
            for (label, isError) in [("fatal: ", true), ("error: ", true), ("panic: ", true), ("warning: ", false)] {
                guard let range = Self.range(of: ": " + label, in: text) else { continue }
                if isError { errors.append(String(text[range...])) } else { warnings.append(String(text[range...])) }
                break
            }
        }
    }

    /// Where the text behind the first `mark` begins.
    private static func range(of mark: String, in text: String) -> String.Index? {
        var rest = text[...]
        while let colon = rest.firstIndex(of: ":") {
            if text[colon...].hasPrefix(mark) { return text.index(colon, offsetBy: mark.count) }
            rest = rest[rest.index(after: colon)...]
        }
        return nil
    }
}

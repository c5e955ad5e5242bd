// Changing one assignment of main.cf as a person would: comments, order and everything else stay.
//
// Security: the new text is written to a new file in the same directory, made durable, and renamed over the old one; owner and mode stay.
// Known limits: where main.cf is a symbolic link, the link is replaced by the file.

import MailConfiguration
import MailModel
import SystemKit

/// Edits of the text of main.cf.
enum MainFileEditor {
    /// The text with `name` set to `value`, or without it where `value` is nil.
    static func edit(_ text: [UInt8], name: String, value: String?) -> [UInt8] {
        var lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { Array($0) }
        if lines.last == [] { lines.removeLast() }
        let replacement = value.map { Array("\(name) = \($0)".utf8) }
        var out: [[UInt8]] = []
        var isOurs = false
        var isWritten = false
        for line in lines {
            let first = line.first { !ASCII.isSpace($0) }
            if first == nil || first == UInt8(ascii: "#") {
                out.append(line)
                continue
            }
            let isContinuation = line.first.map(ASCII.isSpace) ?? false
            if !isContinuation {
                isOurs = Self.name(of: line) == name
                if isOurs, !isWritten, let replacement {
                    out.append(replacement)
                    isWritten = true
                }
            }
            if !isOurs { out.append(line) }
        }
        if !isWritten, let replacement { out.append(replacement) }
        return Array(out.joined(separator: [UInt8(ascii: "\n")])) + (out.isEmpty ? [] : [UInt8(ascii: "\n")])
    }

    /// The text with the assignments of `name` as comments, so that its default holds.
    static func commentOut(_ text: [UInt8], name: String) -> [UInt8] {
        var isOurs = false
        let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { Array($0) }
        return Array(
            lines.map { line in
                guard let first = line.first(where: { !ASCII.isSpace($0) }), first != UInt8(ascii: "#") else { return line }
                if !(line.first.map(ASCII.isSpace) ?? false) { isOurs = Self.name(of: line) == name }
                return isOurs ? [UInt8(ascii: "#")] + line : line
            }.joined(separator: [UInt8(ascii: "\n")]))
    }

    private static func name(of line: [UInt8]) -> String? {
        guard case .success(let assignment) = Assignment.parse(String(decoding: line, as: UTF8.self)) else { return nil }
        return assignment.name
    }

    /// Replaces a file's content in one step.
    static func replace(_ path: String, with bytes: [UInt8]) throws(SystemError) {
        let status = try Files.status(of: path)
        let temporary = "\(path).\(ProcessSpawn.currentProcessID).tmp"
        do throws(SystemError) {
            let file = try FileDescriptor.open(temporary, [.writeOnly, .create, .exclusive, .noFollow])
            try file.writeAll(bytes)
            if Privileges.isRoot { try file.setOwner(status.owner, group: status.group) }
            try file.setMode(status.mode & 0o777)
            try file.synchronize()
            try Files.rename(temporary, path)
        } catch {
            try? Files.unlink(temporary)
            throw error
        }
        let slash = path.lastIndex(of: "/")
        try Files.synchronizeDirectory(slash.map { String(path[...$0]) } ?? ".")
    }
}

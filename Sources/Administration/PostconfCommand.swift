// postconf: shows and edits main.cf and master.cf, as scripts and configuration management call it.
//
// An unknown name is a warning and status 0, as Postfix has it. Values are shown as they are written, also where they are wrong: this is the
// command by which a broken file is looked at and mended. An edit that puts a wrong value into the file is made, with a warning.
// Known limits: parameters of Postfix that Martlet does not have are unknown or unused here, too; that is what scripts are to learn.

import LookupTables
import MailConfiguration
import SystemKit

enum PostconfCommand {
    static let usage = """
        [-a (server SASL types)] [-A (client SASL types)] [-c config_dir] [-C param_class] [-d (parameter defaults)] [-e (edit \
        configuration)] [-f (fold lines)] [-F (master.cf fields)] [-h (no names)] [-H (no values)] [-l (lock types)] [-m (map types)] [-M \
        (master.cf)] [-n (non-default parameters)] [-o name=value (override parameter value)] [-p (main.cf, default)] [-P (master.cf \
        parameters)] [-v (verbose)] [-x (expand parameter values)] [-X (exclude)] [-# (comment-out)] [name...]
        """

    static func run(_ session: ClassicSession) throws(ClassicFailure) -> Int32 {
        let options = try ClassicOptions(session, "aAbc:C:deEfFhHlmMno:pPtT:vxX#", usage: usage)
        if let directory = options.argument(of: "c") { session.directory = directory }
        for choice in ["FMPp", "eX#", "hH", "dn"] where options.given(of: choice).count > 1 {
            throw ClassicFailure("specify one of " + options.given(of: choice).prefix(2).map { "-\($0)" }.joined(separator: " "))
        }
        for letter in options.given(of: "btT") { throw ClassicFailure("-\(letter) is not supported by Martlet") }
        // There is no SASL in this version, and so no type of it.
        if options.has("a") || options.has("A") { return 0 }
        if options.has("l") {
            for type in ["flock", "fcntl", "dotlock"] { session.output.line(type) }
            return 0
        }
        if options.has("m") {
            for type in TableSpecification.types.sorted() { session.output.line(type) }
            return 0
        }
        let isEditing = try editing(options)
        if options.given(of: "MFP").first != nil { return try PostconfMaster(session, options).run(isEditing: isEditing) }
        return isEditing ? try PostconfEdit.run(session, options) : try PostconfShow(session, options).run()
    }

    /// Whether something is to be changed: -e, -X, -#, or a word with `=` in it.
    private static func editing(_ options: ClassicOptions) throws(ClassicFailure) -> Bool {
        let words = options.operands
        if options.has("e") && words.isEmpty { throw ClassicFailure("-e requires name=value argument") }
        for letter in options.given(of: "X#") {
            if options.has("F") || (options.has("P") && letter == "#") {
                throw ClassicFailure("with option -\(options.given(of: "FP")[0]), do not specify -\(letter)")
            }
            if words.isEmpty { throw ClassicFailure("missing service argument") }
            if !options.has("M") && !options.has("P") && words.contains(where: { $0.contains("=") }) {
                throw ClassicFailure("specify one of -e -\(letter)")
            }
            if words.contains(where: { $0.contains("\n") }) { throw ClassicFailure("-e, -X, or -# accepts no multi-line input") }
            return true
        }
        let isEditing = options.has("e") || (options.given(of: "dnx").isEmpty && words.first?.contains("=") == true)
        if isEditing && words.contains(where: { $0.contains("\n") }) { throw ClassicFailure("-e, -X, or -# accepts no multi-line input") }
        return isEditing
    }

    /// `name = value`, as Postfix takes it apart.
    static func assignment(_ word: String) throws(ClassicFailure) -> Assignment {
        guard case .success(let assignment) = Assignment.parse(word) else {
            let isNameless = word.trimmedOfSpace.hasPrefix("=")
            throw ClassicFailure("missing " + (isNameless ? "attribute name" : "'=' after attribute name") + ": \"\(word)\"")
        }
        return assignment
    }
}

extension String {
    /// Without white space at both ends.
    var trimmedOfSpace: String {
        let inside = drop(while: \.isWhitespace)
        return inside.lastIndex { !$0.isWhitespace }.map { String(inside[...$0]) } ?? ""
    }
}

/// The lines that postconf prints: words with one space between, folded on wish.
enum PostconfLine {
    static let limit = 80
    static let indent = "    "

    static func text(_ text: String, isFolding: Bool) -> String {
        var out = ""
        var length = 0
        for word in text.split(whereSeparator: { " \t\r\n".contains($0) }) {
            if length > 0 {
                if !isFolding || length + word.utf8.count < limit {
                    out += " "
                    length += 1
                } else {
                    out += "\n" + indent
                    length = indent.utf8.count
                }
            }
            out += word
            length += word.utf8.count
        }
        return out
    }
}

/// Changes of main.cf.
enum PostconfEdit {
    static func run(_ session: ClassicSession, _ options: ClassicOptions) throws(ClassicFailure) -> Int32 {
        var bytes = try session.contents(of: session.mainPath)
        var names: Set<String> = []
        var requests: [(name: String, value: String)] = []
        for word in options.operands where options.given(of: "X#").isEmpty {
            let assignment = try PostconfCommand.assignment(word)
            if let earlier = requests.last(where: { $0.name == assignment.name }) {
                session.warn("ignoring earlier request: '\(earlier.name) = \(earlier.value)'")
            }
            requests.append((assignment.name, assignment.value))
        }
        for word in options.operands {
            if options.has("X") {
                bytes = MainFileEditor.edit(bytes, name: word, value: nil)
            } else if options.has("#") {
                bytes = MainFileEditor.commentOut(bytes, name: word)
            } else {
                let assignment = try PostconfCommand.assignment(word)
                bytes = MainFileEditor.edit(bytes, name: assignment.name, value: assignment.value)
                names.insert(assignment.name)
            }
        }
        do throws(SystemError) {
            try MainFileEditor.replace(session.mainPath, with: bytes)
        } catch {
            throw ClassicFailure(error)
        }
        for problem in Configuration.tolerant(directory: session.directory).problems
        where names.contains(where: { problem.text.hasPrefix($0 + ": ") }) { session.warn(problem.description) }
        return 0
    }
}

// Texts of the administrator for notifications: bounce_template_file, in the format of Postfix's bounce(5).
//
//     failure_template = <<EOF
//     Charset: utf-8
//     From: MAILER-DAEMON (Mail Delivery System)
//     Subject: Undelivered Mail Returned to Sender
//     Postmaster-Subject: Postmaster Copy: Undelivered Mail
//
//     This is the mail system at host $myhostname.
//     EOF
//
// Below a template's text each recipient follows with its technical reason; the machine-readable part of a report is always the same.
// Limits: 8-bit text needs a charset that has ASCII; the text is not converted.

/// The words of one kind of notification.
public struct NotificationTemplate: Hashable, Sendable {
    public var charset = "us-ascii"
    /// The From field, completed where it has no domain; empty for the built-in one.
    public var from = ""
    public var subject = ""
    public var postmasterSubject = ""
    /// Lines of the text, their `$name` expanded.
    public var lines: [String] = []

    public init() {}
}

/// The templates of a file.
public struct NotificationTemplates: Hashable, Sendable {
    public var failure: NotificationTemplate?
    public var delay: NotificationTemplate?
    public var success: NotificationTemplate?

    public init() {}

    /// Why a file is of no use.
    public struct Problem: Error, Hashable, Sendable, CustomStringConvertible {
        public let line: Int
        public let text: String
        public var description: String { "line \(line): \(text)" }
    }

    /// - Parameter expand: puts values in place of `$name` in a line of text.
    public init(text: String, expand: (String) -> String) throws(Problem) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { $0.hasSuffix("\r") ? $0.dropLast() : $0 }
        var index = 0
        while index < lines.count {
            let line = lines[index].drop { $0 == " " || $0 == "\t" }
            index += 1
            if line.isEmpty || line.hasPrefix("#") { continue }
            let start = index
            let (name, marker) = try NotificationTemplates.opening(line, number: start)
            var body: [Substring] = []
            while index < lines.count, lines[index] != marker[...] {
                body.append(lines[index])
                index += 1
            }
            guard index < lines.count else { throw Problem(line: start, text: "\(name): the end of the text, \(marker), is missing") }
            index += 1
            let template = try NotificationTemplates.template(body, number: start, expand: expand)
            switch name {
            case "failure_template": failure = template
            case "delay_template": delay = template
            case "success_template": success = template
            // Texts for address probes, which there are not.
            case "verify_template": break
            default: throw Problem(line: start, text: "there is no template \(name)")
            }
        }
    }

    /// `name = <<WORD`
    private static func opening(_ line: Substring, number: Int) throws(Problem) -> (name: String, marker: String) {
        let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        func trimmed(_ text: Substring) -> String { text.split { $0 == " " || $0 == "\t" }.joined(separator: " ") }
        guard parts.count == 2, trimmed(parts[1]).hasPrefix("<<"), trimmed(parts[1]).count > 2 else {
            throw Problem(line: number, text: "the form is: NAME_template = <<EOF")
        }
        return (trimmed(parts[0]), trimmed(parts[1].drop { $0 != "<" }.dropFirst(2)))
    }

    private static func template(_ body: [Substring], number: Int, expand: (String) -> String) throws(Problem) -> NotificationTemplate {
        var template = NotificationTemplate()
        var index = 0
        while index < body.count, !body[index].isEmpty {
            let parts = body[index].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { throw Problem(line: number + index + 1, text: "not a header line (Name: text)") }
            let value = parts[1].split { $0 == " " || $0 == "\t" }.joined(separator: " ")
            switch parts[0].lowercased() {
            case "charset": template.charset = value
            case "from": template.from = value
            case "subject": template.subject = value
            case "postmaster-subject": template.postmasterSubject = value
            default: throw Problem(line: number + index + 1, text: "unknown header \(parts[0])")
            }
            index += 1
        }
        guard !template.subject.isEmpty, template.subject.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }),
            template.from.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F })
        else { throw Problem(line: number, text: "Subject and From must be there, in ASCII (RFC 2047 words for other characters)") }
        template.lines = body.dropFirst(index + 1).map { expand(String($0)) }
        let isASCII = template.charset.lowercased() == "us-ascii"
        guard !isASCII || template.lines.allSatisfy({ $0.utf8.allSatisfy { $0 < 0x80 } }) else {
            throw Problem(line: number, text: "8-bit text in a template of charset us-ascii")
        }
        return template
    }
}

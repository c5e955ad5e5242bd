// The manual page of main.cf, made from the declarations of the parameters, so that it cannot disagree with the programs.

import MailConfiguration

/// Manual pages in mdoc.
enum ManualPage {
    /// martlet_main.cf(5).
    static func mainConfiguration() -> String {
        var page = preamble
        for group in Parameters.groups {
            page += ".Ss \(escape(capitalized(group.title)))\n.Bl -tag -width Ds\n"
            for declaration in group.declarations.sorted(by: { $0.name < $1.name }) { page += entry(declaration) }
            page += ".El\n"
        }
        page += ".Ss Parameters of one transport\n"
        page += text("For each service of master.cf that delivers mail, these names with the service's name in front hold for it alone:")
        page += ".Bl -tag -width Ds\n"
        for parameter in TransportParameter.allCases {
            page += ".It Va " + escape("transport\(parameter.rawValue)") + "\n" + text("As \(parameter.fallback.name).")
        }
        return page + ".El\n" + ending
    }

    private static func entry(_ declaration: ParameterDeclaration) -> String {
        var out = ".It Va \(escape(declaration.name))\n"
        let value =
            if !declaration.defaultNote.isEmpty {
                declaration.defaultNote
            } else if declaration.defaultText.isEmpty {
                "empty"
            } else {
                declaration.defaultText
            }
        out += text("(\(kind(declaration)); default: \(value))")
        out += text(declaration.summary)
        if !declaration.discussion.isEmpty { out += text(declaration.discussion) }
        if Parameters.withoutEffect.contains(declaration.name) { return out + text("In this version it has no effect.") }
        if !declaration.programs.isEmpty { out += text("Read by \(declaration.programs.joined(separator: ", ")).") }
        return out
    }

    private static func kind(_ declaration: ParameterDeclaration) -> String {
        let unit = declaration.unit.isEmpty ? "" : " of \(declaration.unit)"
        switch declaration.kind {
        case .string, .nonEmptyString: return "text" + (declaration.isRaw ? ", expanded for each delivery" : "")
        case .list: return "list" + (declaration.isRaw ? ", expanded for each delivery" : "")
        case .boolean: return "yes or no"
        case .words(let words): return "one of: " + words.map { $0.isEmpty ? "(empty)" : $0 }.joined(separator: ", ")
        case .feedback: return "number of 0 to 1, alone or / concurrency or / sqrt_concurrency"
        case .integer(let bounds):
            let isOpen = bounds.upperBound >= 2_147_483_647
            return "number\(unit), \(bounds.lowerBound) " + (isOpen ? "or more" : "to \(bounds.upperBound)")
        case .time(let defaultUnit, _): return "time, in \(defaultUnit) without a unit"
        }
    }

    private static func capitalized(_ title: String) -> String {
        let programs = ["smtpd", "smtp", "qmgr", "bounce", "local"]
        let first = title.split(separator: " ").first.map(String.init) ?? ""
        return programs.contains(first) ? title : title.prefix(1).uppercased() + title.dropFirst()
    }

    /// Text as lines of at most 78 bytes where words allow it; each sentence begins a line.
    private static func text(_ text: String) -> String {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if !line.isEmpty && line.utf8.count + word.utf8.count + 1 > 78 {
                lines.append(line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
            if word.count > 1 && (word.hasSuffix(".") || word.hasSuffix(".)")) {
                lines.append(line)
                line = ""
            }
        }
        if !line.isEmpty { lines.append(line) }
        return lines.map { line in
            let escaped = escape(line)
            return (escaped.hasPrefix(".") || escaped.hasPrefix("'") ? "\\&" : "") + escaped + "\n"
        }.joined()
    }

    private static func escape(_ text: String) -> String {
        var out = ""
        for character in text { out += character == "\\" ? "\\e" : String(character) }
        return out
    }

    private static let preamble = #"""
        .\" Made by "martlet config --man" from the declarations of the parameters: edit those.
        .Dd November 23, 2026
        .Dt MARTLET_MAIN.CF 5
        .Os
        .Sh NAME
        .Nm main.cf
        .Nd configuration parameters of the Martlet mail system
        .Sh DESCRIPTION
        The file
        .Pa main.cf
        holds the parameters of all Martlet programs, in the syntax of Postfix.
        A parameter that Postfix has too means what it means there, unless this
        page says otherwise.
        .Pp
        Each logical line has the form
        .Dl name = value
        .Pp
        A line that begins with white space continues the line before.
        Empty lines and lines whose first character that is not white space is
        a
        .Ql #
        are comments.
        Where a name is set twice, the later value holds, and
        .Xr martlet 8
        .Cm check
        warns.
        .Pp
        In a value, these expressions are expanded when the file is read:
        .Bl -tag -width Ds
        .It Ic $name , ${name} , $(name)
        The value of another parameter, which may also be one of your own.
        .It Ic ${name?text} , ${name?{text}}
        The text, if the value is not empty.
        .It Ic ${name:text} , ${name:{text}}
        The value, or the text if the value is empty.
        .It Ic ${name?{text1}:{text2}}
        The first text if the value is not empty, else the second.
        .It Ic "${{a} == {b} ? {text1} : {text2}}"
        The same with a comparison: ==, !=, <, <=, >, >=; by number where both
        sides are numbers.
        .It Ic $$
        A dollar sign.
        .El
        .Pp
        Times are a number with one of the units s, m, h, d, w.
        Words of a list are separated by commas and white space; braces keep
        text together.
        Tables are named type:name; see
        .Xr martlet_tables 5 .
        .Pp
        Options
        .Fl o
        in
        .Xr martlet_master.cf 5
        set parameters for one service.
        .Sh PARAMETERS
        """# + "\n"

    private static let ending = #"""
        .Sh FILES
        .Bl -tag -width Ds
        .It Pa /etc/martlet/main.cf
        The parameters.
        .It Pa /etc/martlet/master.cf
        The services.
        .El
        .Sh EXIT STATUS
        A program that finds an error in the file names every error with its
        line and ends with status 78.
        .Sh SECURITY
        Only the administrator may be able to write this file: it names
        programs, users and files.
        Data of messages is never expanded.
        .Sh SEE ALSO
        .Xr martlet_aliases 5 ,
        .Xr martlet_master.cf 5 ,
        .Xr martlet_tables 5 ,
        .Xr martlet 8
        """# + "\n"
}

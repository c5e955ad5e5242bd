// What an import has to say about one line of the old configuration.

/// One remark of an import.
struct ImportFinding: Hashable {
    enum Kind: String {
        /// It is not carried over, and mail is treated differently for it.
        case unsupported
        /// It is carried over in another form.
        case changed
        /// It is not carried over, and nothing is lost by that.
        case needless
    }

    let file: String
    /// From 1; 0 where it is about the file.
    let line: Int
    /// The parameter, service or table.
    let name: String
    let kind: Kind
    /// Mail may be lost, refused, let in or sent in another way: the administrator must look at it before the change-over.
    let isSerious: Bool
    let text: String

    init(_ file: String, _ line: Int, _ name: String, _ kind: Kind, isSerious: Bool = false, _ text: String) {
        self.file = file
        self.line = line
        self.name = name
        self.kind = kind
        self.isSerious = isSerious
        self.text = text
    }

    var place: String { line > 0 ? "\(file):\(line)" : file }
}

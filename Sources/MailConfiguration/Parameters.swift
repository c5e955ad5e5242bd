// The registry: every parameter Martlet knows, each declared once.
//
// Values, checks, `martlet config` and the manual page main.cf(5) are made from these declarations.

/// All declared parameters, as typed constants in camel case: ``messageSizeLimit`` is `message_size_limit`.
public enum Parameters {
    /// Every declaration, grouped by subject.
    public static let groups: [(title: String, declarations: [ParameterDeclaration])] = [
        ("who this system is, and where its files are", generalGroup),
        ("address classes, aliases and rewriting", addressesGroup),
        ("smtpd", smtpServerGroup),
        ("smtp as SMTP client", smtpClientGroup),
        ("smtp as LMTP client", lmtpClientGroup),
        ("qmgr and the life of queued mail", queueManagerGroup),
        ("bounce and notices", bounceGroup),
        ("local", localDeliveryGroup),
        ("processes, time limits of services, and DNS", processesGroup),
    ]

    /// Every declaration in the order of the names.
    public static let all: [ParameterDeclaration] = groups.flatMap(\.declarations).sorted { $0.name < $1.name }

    /// The declarations by name.
    public static let byName: [String: ParameterDeclaration] = Dictionary(
        all.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
}

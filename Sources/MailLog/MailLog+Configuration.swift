// The log that main.cf asks for.

public import MailConfiguration
import SystemKit

extension MailLog {
    /// Opens the log of a program as `maillog_file`, `maillog_format`, `maillog_journal`, `syslog_name` and `syslog_facility` say.
    ///
    /// - Parameter destination: in place of the one that main.cf names.
    public init(program: String, configuration: Configuration, destination: Destination? = nil) {
        self.init(
            program: program, syslogName: configuration[Parameters.syslogName],
            destination: destination ?? Destination(configuration),
            facility: Self.facilities[configuration[Parameters.syslogFacility]] ?? 2)
    }

    /// RFC 3164 section 4.1.1, with the names of syslog.conf(5).
    private static let facilities: [String: Int] = {
        let names = ["kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"]
        let local = (0...7).map { ("local\($0)", 16 + $0) }
        return Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) } + local)
    }()
}

extension MailLog.Destination {
    /// What main.cf says.
    public init(_ configuration: Configuration) {
        let file = configuration[Parameters.maillogFile]
        if !file.isEmpty {
            self = configuration[Parameters.maillogFormat] == "json" ? .jsonFile(file) : .file(file)
            return
        }
        let isJournal =
            switch configuration[Parameters.maillogJournal] {
            case "yes": true
            case "no": false
            default: Self.isSystemLoggerJournald
            }
        self = isJournal ? .journal : .syslog
    }

    /// Whether what is written to /dev/log comes to journald, so that nobody misses a line that takes the other way.
    private static var isSystemLoggerJournald: Bool {
        guard let system = try? Files.status(of: "/dev/log"), let journal = try? Files.status(of: "/run/systemd/journal/dev-log"),
            (try? Files.exists("/run/systemd/journal/socket")) == true
        else { return false }
        return system.inode == journal.inode && system.device == journal.device
    }
}

// What the supervisor knows of a service: its name and its limits.

/// What names a service: the first two columns of master.cf.
struct ServiceKey: Hashable, Sendable, Comparable {
    let name: String
    let isInet: Bool

    static func < (a: ServiceKey, b: ServiceKey) -> Bool { (a.name, a.isInet ? 0 : 1) < (b.name, b.isInet ? 0 : 1) }
}

/// The part of a service's definition that supervision depends on.
struct ServicePolicy: Hashable, Sendable {
    let key: ServiceKey
    /// The program with its path, for log lines.
    let command: String
    /// How many processes at most; nil for no limit.
    let processLimit: Int?
    /// Seconds between wake-ups; 0 for none.
    let wakeup: Int
    /// Whether wake-ups begin only after the first process was started.
    let wakesOnlyAfterUse: Bool
    /// Seconds that a service is left alone after it failed.
    let throttleTime: Int
    /// Whether the one process of the service must have ended before there is another.
    var isExclusive = false

    /// When the processes of the service are told to end.
    var stopStage: StopStage { key.isInet ? .network : wakeup > 0 ? .seekers : .others }
}

/// The order of a stop. Who gives work to others ends before they do: their answers are still to come, and without them he would take their
/// end for a failure and defer mail.
enum StopStage: Int, CaseIterable, Comparable {
    /// A message whose last byte comes now is still taken: for that smtpd needs cleanup until its sessions end.
    case network
    /// Those that look for work themselves: qmgr needs its agents and bounce for what is under way, pickup needs cleanup.
    case seekers
    case others

    static func < (a: StopStage, b: StopStage) -> Bool { a.rawValue < b.rawValue }
}

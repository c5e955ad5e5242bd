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
}

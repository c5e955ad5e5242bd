// The clocks. Only programs read them; libraries take the time as a value.

import Glibc

/// The clocks of the system, in microseconds.
public enum SystemClock {
    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        // Fails only for a clock that does not exist.
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) &* 1_000_000 &+ Int64(time.tv_nsec) / 1000
    }

    /// Microseconds since 1970 in UTC; may jump.
    public static func now() -> Int64 { read(CLOCK_REALTIME) }

    /// Microseconds since some moment in the past; never jumps. For timeouts and intervals.
    public static func monotonic() -> Int64 { read(CLOCK_MONOTONIC) }

    /// Blocks this thread for so many microseconds; shorter where a signal comes.
    public static func pause(microseconds: Int64) {
        var time = timespec(tv_sec: Int(microseconds / 1_000_000), tv_nsec: Int(microseconds % 1_000_000) * 1000)
        nanosleep(&time, nil)
    }

    /// Seconds east of UTC of local time at a moment (seconds since 1970): for RFC 5322 dates and log lines.
    public static func localOffset(at seconds: Int64) -> Int {
        var time = time_t(seconds)
        var parts = tm()
        guard localtime_r(&time, &parts) != nil else { return 0 }
        return parts.tm_gmtoff
    }

    /// Reads the time zone. Call it before chroot: afterwards its file is out of reach.
    public static func loadTimeZone() { tzset() }
}

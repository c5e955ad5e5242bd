// How much each user may submit: local_submission_rate_limit messages in local_submission_rate_time_unit, counted by windows as Postfix's
// anvil counts clients. Who is over it is not refused: sendmail has said already that the message is taken. It goes on hold.
//
// The user is the owner of the file in maildrop, which the kernel wrote there. Memory: one number for each user of the present window.
// Known limits: the counts live in pickup and begin anew with it.

import SystemKit

/// Counts submissions. Time comes from outside.
struct SubmissionRate {
    /// Messages in ``window``; 0 is no limit.
    let limit: Int
    /// Microseconds.
    let window: Int64
    let exempt: Set<UInt32>
    private var begun: Int64 = 0
    private var counts: [UInt32: Int] = [:]

    init(limit: Int, window: Int64, exempt: Set<UInt32> = []) {
        self.limit = limit
        self.window = window
        self.exempt = exempt
    }

    /// The users that a list of login names and ids means; a name that nobody has is skipped and returned.
    static func users(_ words: [String]) throws(SystemError) -> (users: Set<UInt32>, unknown: [String]) {
        var users: Set<UInt32> = []
        var unknown: [String] = []
        for word in words {
            if let id = UInt32(word) {
                users.insert(id)
            } else if let user = try UserDatabase.user(named: word) {
                users.insert(user.uid)
            } else {
                unknown.append(word)
            }
        }
        return (users, unknown)
    }

    /// Counts a message, and tells whether it is one too many.
    mutating func isExceeded(by user: UInt32, now: Int64) -> Bool {
        guard limit > 0, !exempt.contains(user) else { return false }
        // A clock that was set back begins a window, too.
        if now >= begun + window || now < begun {
            begun = now
            counts = [:]
        }
        let count = counts[user, default: 0] + 1
        counts[user] = count
        return count > limit
    }
}

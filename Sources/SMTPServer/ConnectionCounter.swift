// How many sessions each client address has at a time (smtpd_client_connection_count_limit).
//
// Limits: counted for each process of the service by itself. One process serves thousands of sessions, so that there is rarely a second.

/// Counts connections by client address.
struct ConnectionCounter {
    private var counts: [String: Int] = [:]
    private(set) var total = 0

    /// Counts one more, and tells how many there are now.
    mutating func enter(_ address: String) -> Int {
        total += 1
        let count = (counts[address] ?? 0) + 1
        counts[address] = count
        return count
    }

    mutating func leave(_ address: String) {
        total -= 1
        guard let count = counts[address] else { return }
        counts[address] = count > 1 ? count - 1 : nil
    }
}

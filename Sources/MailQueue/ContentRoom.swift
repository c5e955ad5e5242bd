// How much content of messages under way may be in memory, of all of them together.
//
// Security: many clients that send large messages slowly must not fill the memory: who finds no room has his content written as it comes.

/// A count of bytes, of one thread.
public final class ContentRoom {
    private var left: Int

    /// - Parameter bytes: at most for all messages.
    public init(bytes: Int) { left = bytes }

    func take(_ bytes: Int) -> Bool {
        guard bytes <= left else { return false }
        left -= bytes
        return true
    }

    func giveBack(_ bytes: Int) { left += bytes }
}

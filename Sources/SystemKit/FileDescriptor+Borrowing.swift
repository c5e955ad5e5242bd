// Using a descriptor that somebody else owns: one that is shared with the event loop or was inherited from master.

extension FileDescriptor {
    /// Calls `body` with a descriptor that stays its owner's. Not closed, whatever happens.
    public static func borrowing<Result>(
        _ rawValue: Int32, _ body: (borrowing FileDescriptor) throws(SystemError) -> Result
    ) throws(SystemError) -> Result {
        let descriptor = FileDescriptor(owning: rawValue)
        do {
            let result = try body(descriptor)
            _ = descriptor.release()
            return result
        } catch {
            _ = descriptor.release()
            throw error
        }
    }
}

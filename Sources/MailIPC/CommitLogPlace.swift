// Where a message stands in a commit log of cleanup's: what cleanup tells qmgr, so that qmgr can read it there, and settle the record when the message is
// done.

public import MailModel

/// A record of a commit log.
public struct CommitLogPlace: ByteCodable, Hashable {
    /// N of `commit/log.N`.
    public var log: UInt32
    /// Of the log's contents; a log that begins anew has another.
    public var generation: UInt64
    /// Of the record, from 0.
    public var index: UInt32
    /// Where in the log the record begins.
    public var offset: UInt64

    public init(log: UInt32, generation: UInt64, index: UInt32, offset: UInt64) {
        self.log = log
        self.generation = generation
        self.index = index
        self.offset = offset
    }
    public func encode(into encoder: inout ByteEncoder) {
        encoder.put(log)
        encoder.put(generation)
        encoder.put(index)
        encoder.put(offset)
    }
    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        self.init(
            log: try decoder.take(UInt32.self), generation: try decoder.take(UInt64.self), index: try decoder.take(UInt32.self),
            offset: try decoder.take(UInt64.self))
    }
}

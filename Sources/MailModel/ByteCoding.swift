// The one binary encoding of queue records and IPC messages: little-endian integers, length-prefixed byte strings, fields in fixed order.
//
// Security: the decoder is total. Every length is checked against what is left before it is used, every enum against its cases, and the end
// of the bytes against the end of the value. It never traps and never allocates more than the input holds.
// Inlinable, because unspecialized generics across modules were a tenth of the user time of cleanup and qmgr.

/// Why bytes could not be decoded.
public struct ByteDecodingError: Error, Hashable, Sendable, CustomStringConvertible {
    public var description: String
    @inlinable public init(_ description: String) { self.description = description }
}

/// Appends values to a byte array.
public struct ByteEncoder: Sendable {
    @usableFromInline var storage: [UInt8] = []
    @inlinable public init() {}
    @inlinable public init(reserving capacity: Int) { storage.reserveCapacity(capacity) }

    @inlinable public var bytes: [UInt8] { storage }

    @inlinable public mutating func put(_ value: UInt8) { storage.append(value) }
    @inlinable public mutating func put(_ value: Bool) { storage.append(value ? 1 : 0) }
    @inlinable public mutating func put<T: FixedWidthInteger>(_ value: T) {
        withUnsafeBytes(of: value.littleEndian) { storage.append(contentsOf: $0) }
    }
    /// A byte string with a four-byte length before it.
    @inlinable public mutating func put(bytes value: some Collection<UInt8>) {
        put(UInt32(truncatingIfNeeded: value.count))
        storage.append(contentsOf: value)
    }
    @inlinable public mutating func put(_ value: String) { put(bytes: value.utf8) }
    /// Bytes as they are, without a length.
    @inlinable public mutating func put(raw value: some Collection<UInt8>) { storage.append(contentsOf: value) }
    /// A list with a four-byte count before it.
    @inlinable public mutating func put<Element>(list: [Element], _ body: (inout ByteEncoder, Element) -> Void) {
        put(UInt32(truncatingIfNeeded: list.count))
        for element in list { body(&self, element) }
    }
    @inlinable public mutating func put<Value>(optional value: Value?, _ body: (inout ByteEncoder, Value) -> Void) {
        put(value != nil)
        if let value { body(&self, value) }
    }
}

/// Takes values from the front of bytes.
public struct ByteDecoder: Sendable {
    @usableFromInline let bytes: ArraySlice<UInt8>
    @usableFromInline var position: Int

    @inlinable public init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        position = bytes.startIndex
    }
    @inlinable public init(_ bytes: [UInt8]) { self.init(bytes[...]) }

    @inlinable public var remaining: Int { bytes.endIndex - position }

    @inlinable public mutating func take(raw count: Int) throws(ByteDecodingError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= remaining else { throw ByteDecodingError("\(count) bytes wanted, \(remaining) left") }
        defer { position += count }
        return bytes[position..<(position + count)]
    }
    @inlinable public mutating func takeUInt8() throws(ByteDecodingError) -> UInt8 { try take(UInt8.self) }
    @inlinable public mutating func takeBool() throws(ByteDecodingError) -> Bool {
        switch try takeUInt8() {
        case 0: return false
        case 1: return true
        case let other: throw ByteDecodingError("\(other) is no truth value")
        }
    }
    @inlinable public mutating func take<T: FixedWidthInteger>(_ type: T.Type) throws(ByteDecodingError) -> T {
        let size = MemoryLayout<T>.size
        guard remaining >= size else { throw ByteDecodingError("\(size) bytes wanted, \(remaining) left") }
        var value: T = 0
        for offset in 0..<size { value |= T(truncatingIfNeeded: UInt64(bytes[position + offset]) << UInt64(8 * offset)) }
        position += size
        return value
    }
    @inlinable public mutating func takeBytes(limit: Int = 1 << 24) throws(ByteDecodingError) -> [UInt8] {
        let count = Int(try take(UInt32.self))
        guard count <= limit else { throw ByteDecodingError("string of \(count) bytes exceeds \(limit)") }
        return Array(try take(raw: count))
    }
    /// Text; malformed UTF-8 is an error, never repaired.
    @inlinable public mutating func takeString(limit: Int = 1 << 20) throws(ByteDecodingError) -> String {
        let raw = try takeBytes(limit: limit)
        guard let text = String(validating: raw, as: UTF8.self) else { throw ByteDecodingError("text is not UTF-8") }
        return text
    }
    @inlinable public mutating func takeList<Element>(
        limit: Int = 1 << 20, _ body: (inout ByteDecoder) throws(ByteDecodingError) -> Element
    ) throws(ByteDecodingError) -> [Element] {
        let count = Int(try take(UInt32.self))
        guard count <= limit, count <= remaining else { throw ByteDecodingError("list of \(count) elements in \(remaining) bytes") }
        var out: [Element] = []
        out.reserveCapacity(count)
        for _ in 0..<count { out.append(try body(&self)) }
        return out
    }
    @inlinable public mutating func takeOptional<Value>(
        _ body: (inout ByteDecoder) throws(ByteDecodingError) -> Value
    ) throws(ByteDecodingError) -> Value? { try takeBool() ? try body(&self) : nil }
    @inlinable public mutating func takeEnum<E: RawRepresentable>(_ type: E.Type) throws(ByteDecodingError) -> E where E.RawValue == UInt8 {
        let raw = try takeUInt8()
        guard let value = E(rawValue: raw) else { throw ByteDecodingError("\(raw) is no \(E.self)") }
        return value
    }
    @inlinable public func finish() throws(ByteDecodingError) {
        guard remaining == 0 else { throw ByteDecodingError("\(remaining) bytes too many") }
    }
}

/// A value with one binary form.
public protocol ByteCodable: Sendable {
    func encode(into encoder: inout ByteEncoder)
    init(from decoder: inout ByteDecoder) throws(ByteDecodingError)
}

extension ByteCodable {
    /// The whole value, alone.
    public var encoded: [UInt8] {
        var encoder = ByteEncoder()
        encode(into: &encoder)
        return encoder.bytes
    }
    /// Decodes a value that takes all of `bytes`.
    public init(decoding bytes: ArraySlice<UInt8>) throws(ByteDecodingError) {
        var decoder = ByteDecoder(bytes)
        try self.init(from: &decoder)
        try decoder.finish()
    }
}

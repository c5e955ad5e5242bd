// The body of a message on its way from the queue (CRLF) into stored form (LF), sixteen bytes at a time.
//
// A bare CR or LF stays what it is. Where the form asks for it, a line that begins with `From ` gets a `>`.
// Security: the bytes are hostile, and are copied through bare pointers because every byte of large mail passes here. The proof of bounds is
// ``room(for:)``, which ``feed(_:into:)`` checks before it begins: of the bytes that were read at most that many have been written at any
// moment, and what is still to be read has room as it is.

import MailModel

/// Turns content into stored form, in pieces of any size.
struct MailboxBody: Sendable {
    private let quotes: Bool
    private let endsWithBlank: Bool
    private var hasPendingCR = false
    private var isAtLineStart = true
    /// How much of `From ` the current line has begun with so far, where lines are quoted. That much is kept back.
    private var matched = 0
    private static let fromWord = Array("From ".utf8)

    init(_ form: MailboxForm) {
        quotes = form.contains(.quoting)
        endsWithBlank = form.contains(.finalBlank)
    }

    /// The most that `count` bytes can become: `From ` and its line end are six, a quote makes them seven; a CR and four letters were kept back.
    static func room(for count: Int) -> Int { count + count / 6 + 16 }

    mutating func feed(_ content: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: MailboxBody.room(for: content.count)) { out, count in
            count = content.withUnsafeBytes { feed($0, into: UnsafeMutableRawBufferPointer(out)) }
        }
    }

    /// - Parameter out: has ``room(for:)`` the content.
    /// - Returns: how much was put there.
    mutating func feed(_ content: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer) -> Int {
        precondition(out.count >= MailboxBody.room(for: content.count), "no room")
        guard let source = content.baseAddress, let start = out.baseAddress, !content.isEmpty else { return 0 }
        var sink = Sink(start)
        if quotes {
            feedQuoting(source, content.count, &sink)
        } else {
            feedPlain(source, content.count, &sink)
        }
        return sink.count
    }

    /// The end of the message: a last line without end is ended.
    mutating func finish() -> [UInt8] {
        var out: [UInt8] = []
        out += MailboxBody.fromWord.prefix(matched)
        if hasPendingCR { out.append(UInt8(ascii: "\r")) }
        if !isAtLineStart || !out.isEmpty { out.append(UInt8(ascii: "\n")) }
        if endsWithBlank { out.append(UInt8(ascii: "\n")) }
        (hasPendingCR, matched, isAtLineStart) = (false, 0, true)
        return out
    }

    /// Where the bytes go.
    private struct Sink {
        private let start: UnsafeMutableRawPointer
        private(set) var count = 0

        init(_ start: UnsafeMutableRawPointer) { self.start = start }

        var last: UInt8 { start.load(fromByteOffset: count - 1, as: UInt8.self) }

        @inline(__always)
        mutating func put(_ byte: UInt8) {
            start.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
            count += 1
        }

        /// The lowest bit marks the first such byte, in the order of memory; marks above it may be false.
        @inline(__always)
        private static func marks(of byte: UInt8, in word: UInt64) -> UInt64 {
            let ones: UInt64 = 0x0101_0101_0101_0101
            let zeros = UInt64(littleEndian: word) ^ (ones &* UInt64(byte))
            return (zeros &- ones) & ~zeros & (ones << 7)
        }

        /// Copies bytes up to the first CR, or LF where that counts; returns how many. May write beyond what counts, up to `length` bytes.
        @inline(__always)
        mutating func copyRun(_ source: UnsafeRawPointer, _ length: Int, stopsAtLF: Bool) -> Int {
            let target = start + count
            var index = 0
            while index + 16 <= length {
                let low = source.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                let high = source.loadUnaligned(fromByteOffset: index + 8, as: UInt64.self)
                target.storeBytes(of: low, toByteOffset: index, as: UInt64.self)
                target.storeBytes(of: high, toByteOffset: index + 8, as: UInt64.self)
                var (lowMarks, highMarks) = (Sink.marks(of: 0x0D, in: low), Sink.marks(of: 0x0D, in: high))
                if stopsAtLF {
                    lowMarks |= Sink.marks(of: 0x0A, in: low)
                    highMarks |= Sink.marks(of: 0x0A, in: high)
                }
                if lowMarks | highMarks != 0 {
                    index += (lowMarks != 0 ? lowMarks.trailingZeroBitCount : 64 + highMarks.trailingZeroBitCount) >> 3
                    count += index
                    return index
                }
                index += 16
            }
            while index < length {
                let byte = source.load(fromByteOffset: index, as: UInt8.self)
                if byte == 0x0D || (stopsAtLF && byte == 0x0A) { break }
                target.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
                index += 1
            }
            count += index
            return index
        }
    }

    /// All there is to do is to leave out the CR before an LF.
    private mutating func feedPlain(_ source: UnsafeRawPointer, _ length: Int, _ sink: inout Sink) {
        if hasPendingCR && source.load(as: UInt8.self) != 0x0A { sink.put(0x0D) }
        hasPendingCR = false
        var index = 0
        while true {
            index += sink.copyRun(source + index, length - index, stopsAtLF: false)
            guard index < length else { break }
            index += 1
            guard index < length else {
                hasPendingCR = true
                break
            }
            if source.load(fromByteOffset: index, as: UInt8.self) != 0x0A { sink.put(0x0D) }
        }
        if sink.count > 0 { isAtLineStart = sink.last == 0x0A }
    }

    private mutating func feedQuoting(_ source: UnsafeRawPointer, _ length: Int, _ sink: inout Sink) {
        var index = 0
        while index < length {
            let byte = source.load(fromByteOffset: index, as: UInt8.self)
            // Byte by byte only what is kept back: a CR, and the start of a line that is not here as a whole.
            if hasPendingCR || (isAtLineStart && (matched > 0 || length - index < MailboxBody.fromWord.count)) {
                take(byte, &sink)
                index += 1
                continue
            }
            if isAtLineStart && byte == UInt8(ascii: "F") && MailboxBody.isFrom(source + index) { sink.put(UInt8(ascii: ">")) }
            isAtLineStart = false
            index += sink.copyRun(source + index, length - index, stopsAtLF: true)
            guard index < length else { break }
            take(source.load(fromByteOffset: index, as: UInt8.self), &sink)
            index += 1
        }
    }

    private static func isFrom(_ source: UnsafeRawPointer) -> Bool {
        for (index, byte) in fromWord.enumerated() where source.load(fromByteOffset: index, as: UInt8.self) != byte { return false }
        return true
    }

    @inline(__always)
    private mutating func take(_ byte: UInt8, _ sink: inout Sink) {
        if hasPendingCR {
            hasPendingCR = false
            if byte != UInt8(ascii: "\n") { put(UInt8(ascii: "\r"), &sink) }
        }
        if byte == UInt8(ascii: "\r") { hasPendingCR = true } else { put(byte, &sink) }
    }

    private mutating func put(_ byte: UInt8, _ sink: inout Sink) {
        if isAtLineStart {
            // The start of the line is kept back until it is known whether it needs the quote.
            if byte == MailboxBody.fromWord[matched] {
                matched += 1
                guard matched == MailboxBody.fromWord.count else { return }
                sink.put(UInt8(ascii: ">"))
                for byte in MailboxBody.fromWord { sink.put(byte) }
                matched = 0
                isAtLineStart = false
                return
            }
            for byte in MailboxBody.fromWord.prefix(matched) { sink.put(byte) }
            matched = 0
        }
        sink.put(byte)
        isAtLineStart = byte == UInt8(ascii: "\n")
    }
}

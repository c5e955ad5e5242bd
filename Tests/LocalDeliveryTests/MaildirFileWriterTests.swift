// A file has the bytes that it was given, whether the file system takes them past its cache or not.

import SystemKit
import Testing

@testable import LocalDelivery

@Suite struct MaildirFileWriterTests {
    static let block = 4096

    /// - Parameter shift: how far the memory is from where a disk could read it: then the file system refuses, and the cache is used.
    static func write(_ bytes: [UInt8], pieces: Int, shift: Int, length: Int, _ path: String) throws -> [UInt8] {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count + shift + 1, alignment: block)
        defer { memory.deallocate() }
        let shifted = UnsafeMutableRawBufferPointer(rebasing: memory[shift..<(shift + bytes.count)])
        shifted.copyBytes(from: bytes)
        let file = try FileDescriptor.open(path, [.readWrite, .create, .exclusive])
        var writer = MaildirFileWriter(file, length: length)
        var start = 0
        while start < bytes.count {
            let end = min(start + pieces, bytes.count)
            try writer.write(UnsafeRawBufferPointer(rebasing: shifted[start..<end]), to: file)
            start = end
        }
        try file.synchronizeData()
        let found = try FileDescriptor.open(path, .readOnly).readAll(limit: 1 << 24)
        try Files.unlink(path)
        return found
    }

    @Test(arguments: [0, 1, 512]) func whatIsWrittenIsThere(_ shift: Int) throws {
        let surroundings = try TestSurroundings()
        let all = (0..<(3 * MaildirFileWriter.leastDirect)).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 8) }
        for count in [0, 1, Self.block - 1, Self.block, Self.block + 1, 300_000, all.count - 1, all.count] {
            for length in [0, MaildirFileWriter.leastDirect] {
                let bytes = Array(all.prefix(count))
                let path = "\(surroundings.directory)/file"
                let found = try Self.write(bytes, pieces: 64 * Self.block, shift: shift, length: length, path)
                #expect(found == bytes, "\(count) bytes of \(length)")
            }
        }
    }

    @Test func errorsAreErrors() throws {
        let file = try FileDescriptor.open("/dev/null", .readOnly)
        var writer = MaildirFileWriter(file, length: 1 << 20)
        #expect(throws: SystemError.self) { try [1, 2].withUnsafeBytes { try writer.write($0, to: file) } }
    }
}

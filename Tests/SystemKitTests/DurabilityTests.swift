// Files made durable together. That they are durable is the crash tests' business; here it is who gets which result.

import SystemKit
import Testing

@Suite struct DurabilityTests {
    @Test(arguments: [0, 1, 2, 63, 64, 65, 200]) func everyFileHasItsResult(count: Int) throws {
        let directory = try TemporaryDirectory()
        var descriptors: [Int32] = []
        defer { for descriptor in descriptors { _ = FileDescriptor(owning: descriptor) } }
        for number in 0..<count {
            let file = try FileDescriptor.open("\(directory.path)/\(number)", [.writeOnly, .create, .exclusive])
            try file.writeAll(Array("content \(number)".utf8))
            descriptors.append(file.release())
        }
        let results = Durability.synchronizeData(descriptors)
        #expect(results.count == count && results.allSatisfy { $0 == nil })
    }

    @Test func whatFailsFailsAlone() throws {
        let directory = try TemporaryDirectory()
        var descriptors: [Int32] = []
        for number in 0..<5 {
            descriptors.append(try FileDescriptor.open("\(directory.path)/\(number)", [.writeOnly, .create, .exclusive]).release())
        }
        // A pipe cannot be synced.
        let pipe = try FileDescriptor.pipe().release()
        defer { for descriptor in descriptors + [pipe.read, pipe.write] { _ = FileDescriptor(owning: descriptor) } }
        for position in 0...5 {
            var mixed = descriptors
            mixed.insert(pipe.write, at: position)
            let results = Durability.synchronizeData(mixed)
            #expect(results.indices.filter { results[$0] != nil } == [position])
            #expect(results[position]?.operation == "fdatasync")
        }
    }
}

import Testing

@testable import SystemKit

@Suite struct ProcessTests {
    /// Runs a shell text with descriptor 1 as a pipe and returns what it wrote and how it ended.
    private func run(
        _ script: String, arguments: [String] = [], extra: [(from: Int32, to: Int32)] = [],
        environment: [(String, String)]? = [("PATH", "/usr/bin:/bin")]
    ) throws -> (output: String, status: ProcessStatus) {
        let null = try FileDescriptor.open("/dev/null", .readWrite)
        let ends = try FileDescriptor.pipe().release()
        let reader = FileDescriptor(owning: ends.read)
        let writer = FileDescriptor(owning: ends.write)
        let pid = try ProcessSpawn.spawn(
            path: "/bin/sh", arguments: ["sh", "-c", script, "sh"] + arguments, environment: environment,
            descriptors: [(null.rawValue, 0), (writer.rawValue, 1), (null.rawValue, 2)] + extra)
        _ = consume writer
        let output = try reader.readAll(limit: 100_000)
        return (String(decoding: output, as: UTF8.self), try ProcessSpawn.wait(for: pid))
    }

    @Test func exitCodesAndSignalsAreTold() throws {
        #expect(try run("exit 0").status.isSuccess)
        #expect(try run("exit 75").status == .exited(75))
        #expect(try run("kill -9 $$").status == .killed(signal: 9))
    }

    @Test func argumentsAndEnvironmentArriveExactly() throws {
        let result = try run(
            "printf '%s|' \"$@\"; printf %s \"$NAME:$HOME\"", arguments: ["a b", "", "$(id)"], environment: [("NAME", "v x")])
        #expect(result.output == "a b||$(id)|v x:")
    }

    @Test func nulInAnArgumentIsRefused() {
        #expect(throws: SystemError.self) { try run("exit 0", arguments: ["a\0b"]) }
    }

    @Test func childHasOnlyTheNamedDescriptors() throws {
        let leak = try FileDescriptor.open("/dev/null", .readOnly)
        try RawDescriptor.setCloseOnExec(false, of: leak.rawValue)
        // By the shell's own means: any program it starts has descriptors of its own on the way.
        let script = "n=0; while [ $n -lt 200 ]; do [ -e /proc/$$/fd/$n ] && printf '%s ' $n; n=$((n + 1)); done; :"
        let result = try run(script, extra: [(leak.rawValue, 7)])
        #expect(result.output == "0 1 2 7 ")
    }

    @Test func overlappingSourcesAndTargetsAreSwapped() throws {
        let directory = try TemporaryDirectory()
        let a = try FileDescriptor.open(directory.path + "/a", [.readWrite, .create])
        let b = try FileDescriptor.open(directory.path + "/b", [.readWrite, .create])
        // Each takes the other's number: done one after the other, both would be the same file.
        let result = try run(
            "printf A >/proc/self/fd/\(b.rawValue); printf B >/proc/self/fd/\(a.rawValue)",
            extra: [(a.rawValue, b.rawValue), (b.rawValue, a.rawValue)])
        #expect(result.status.isSuccess)
        #expect(try Files.contents(of: directory.path + "/a") == [UInt8(ascii: "A")])
        #expect(try Files.contents(of: directory.path + "/b") == [UInt8(ascii: "B")])
    }

    @Test func childStartsWithAnEmptySignalMaskAndDefaultActions() throws {
        SignalWait.block([.user2, .hangUp])
        defer { SignalWait.unblock([.user2, .hangUp]) }
        let result = try run("exec awk '/^Sig(Blk|Ign)/ { print $2 }' /proc/self/status")
        let masks = result.output.split(separator: "\n").compactMap { UInt64($0, radix: 16) }
        try #require(masks.count == 2)
        #expect(masks[0] == 0)
        // Bits 31 and 32 are glibc's own signals 32 and 33, which posix_spawn itself leaves ignored.
        #expect(masks[1] & ~(3 << 31) == 0)
    }

    @Test func aMissingProgramIsAnError() {
        let error = #expect(throws: SystemError.self) {
            try ProcessSpawn.spawn(path: "/nonexistent/x", arguments: ["x"], environment: [], descriptors: [])
        }
        #expect(error?.isNotFound == true)
    }

    @Test func killRefusesNumbersThatMeanMany() {
        for pid in [-1, 0, 1] as [Int32] { #expect(throws: SystemError.self) { try ProcessSpawn.kill(pid, .terminate) } }
    }

    @Test func signalsAreReadFromADescriptor() throws {
        SignalWait.block([.user1])
        let descriptor = try SignalWait.descriptor(for: [.user1])
        #expect(try SignalWait.next(from: descriptor) == nil)
        // Aimed at this thread: other threads of the test process do not block it.
        SignalWait.raise(.user1)
        #expect(try SignalWait.next(from: descriptor) == .user1)
        #expect(try SignalWait.next(from: descriptor) == nil)
        SignalWait.unblock([.user1])
    }
}

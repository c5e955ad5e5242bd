// `master -w`: starts a second master in a session of its own and waits until that one is up. No fork: the program is started anew.

import SystemKit

/// Going to the background.
enum BackgroundStart {
    /// Names the descriptor on which the one in front waits for the word that the mail system is up.
    private static let variable = "MARTLET_READY_DESCRIPTOR"
    private static let descriptor: Int32 = 3

    /// The side in front: returns 0 once the other one is up, or the exit status with which it failed.
    static func run(_ options: MasterOptions) -> Int32 {
        do throws(SystemError) {
            let ends = try FileDescriptor.pipe().release()
            let reader = FileDescriptor(owning: ends.read)
            let writer = FileDescriptor(owning: ends.write)
            let null = try FileDescriptor.open("/dev/null", .readWrite)
            ProcessSpawn.setEnvironmentVariable(variable, String(descriptor))
            // Standard error stays: configuration errors are for whoever started it.
            let pid = try ProcessSpawn.spawn(
                path: "/proc/self/exe", arguments: ["master", "-c", options.directory], environment: nil,
                descriptors: [(null.rawValue, 0), (null.rawValue, 1), (2, 2), (writer.rawValue, descriptor)], grouping: .ownSession)
            _ = consume writer
            if try !reader.read(upTo: 1).isEmpty { return 0 }
            return switch try ProcessSpawn.wait(for: pid) {
            case .exited(let status): status == 0 ? 1 : status
            case .killed(let signal): 128 + signal
            }
        } catch {
            MasterProgram.print("fatal: \(error)")
            return 71
        }
    }

    /// The side behind: tells the one in front that all is well, and lets go of its terminal.
    static func reportReady() {
        guard ProcessSpawn.environmentVariable(variable) == String(descriptor) else { return }
        ProcessSpawn.setEnvironmentVariable(variable, nil)
        let pipe = FileDescriptor(owning: descriptor)
        do throws(SystemError) {
            try pipe.writeAll([UInt8(ascii: "R")])
            try FileDescriptor.open("/dev/null", .readWrite).replace(2)
        } catch {
            MasterProgram.print("warning: \(error)")
        }
    }
}

// Commands that sendmail hands on: `-bp` to postqueue, `-bi` to martlet.

import SystemKit

/// Another program of the suite, run in sendmail's place.
enum OtherProgram {
    /// Runs a program with this process's descriptors and environment, and ends with its status.
    static func become(_ path: String, _ arguments: [String]) throws(CommandFailure) -> Never {
        let end: ProcessStatus
        do throws(SystemError) {
            let name = path.split(separator: "/").last.map(String.init) ?? path
            let child = try ProcessSpawn.spawn(
                path: path, arguments: [name] + arguments, environment: nil,
                descriptors: [(from: 0, to: 0), (from: 1, to: 1), (from: 2, to: 2)])
            end = try ProcessSpawn.wait(for: child)
        } catch {
            throw CommandFailure(.unavailable, "unable to execute \(path): \(error)")
        }
        switch end {
        case .exited(let code): ProcessSpawn.exit(code)
        case .killed(let signal): throw CommandFailure(.temporaryFailure, "\(path) died with signal \(signal)")
        }
    }
}

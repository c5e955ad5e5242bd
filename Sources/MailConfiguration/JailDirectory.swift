// The empty directory that is the whole file system of a jailed program.
//
// Security: it belongs to root, nobody may write there, and there is nothing in it; a program refuses to enter another one.

public import SystemKit

/// `jail_directory`.
public enum JailDirectory {
    /// Makes it where it is missing, but not what is above it.
    public static func make(_ path: String) throws(SystemError) {
        do throws(SystemError) {
            try Files.makeDirectory(path, mode: 0o700)
        } catch {
            if error.isAlreadyThere { return }
            throw error
        }
        try Files.changeMode(path, 0o555)
    }

    /// What is wrong with it; nil where it is good.
    public static func problem(_ path: String) throws(SystemError) -> String? {
        let status = try Files.linkStatus(of: path)
        if !status.isDirectory { return "\(path) is not a directory" }
        if status.owner != 0 { return "\(path) does not belong to root" }
        if status.mode & 0o022 != 0 { return "\(path) can be written by others than root" }
        if let name = try Files.directoryEntries(path).first { return "\(path) is not empty: there is \(name)" }
        return nil
    }
}

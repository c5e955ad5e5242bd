// The control group of a process, and the systemd unit that it names: who submitted a message, more exactly than a user id.
//
// Trust: the kernel says it, of `postdrop` itself, which is a child of the submitting program. A user may move processes about below what
// systemd delegated to that user (`user@1000.service`), so that the end of such a path is the user's claim; the unit is not.
// Security: names of groups may have any byte but a slash; text is made printable and bounded before it goes anywhere.

/// The text of /proc/PID/cgroup (cgroups(7)).
public enum ControlGroup {
    /// Octets of a path that are kept.
    public static let longest = 512

    /// The path in the hierarchy that systemd manages: `name=systemd` of version 1, else version 2. Empty where there is neither, or for
    /// the root, which says nothing (a container sees itself so).
    ///
    /// - Parameter text: lines `number:controllers:path`.
    public static func path(_ text: some Collection<UInt8>) -> String {
        var unified: ArraySlice<UInt8> = []
        var named: ArraySlice<UInt8> = []
        for line in Array(text).split(separator: UInt8(ascii: "\n")) {
            let parts = line.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            if parts[0].elementsEqual("0".utf8) && parts[1].isEmpty { unified = parts[2] }
            if parts[1].elementsEqual("name=systemd".utf8) { named = parts[2] }
        }
        for found in [named, unified] where found.first == UInt8(ascii: "/") && found.count > 1 {
            return ASCII.printable(found, limit: longest)
        }
        return ""
    }

    /// The unit of a path as sd_pid_get_unit(3) finds it: the first part below the slices. Empty where that is no unit.
    public static func unit(of path: String) -> String {
        let parts = path.split(separator: "/").map { $0.hasPrefix("_") ? $0.dropFirst() : $0 }
        guard let unit = parts.first(where: { !$0.hasSuffix(".slice") }), isUnitName(unit) else { return "" }
        return String(unit)
    }

    /// systemd.unit(5): a name of letters, digits and `:-_.\@`, and the type after the last dot.
    private static func isUnitName(_ name: Substring) -> Bool {
        guard name.utf8.count <= 255, let dot = name.lastIndex(of: "."), dot != name.startIndex else { return false }
        let types: Set<Substring> = ["service", "scope", "socket", "mount", "swap"]
        return types.contains(name[name.index(after: dot)...])
            && name.utf8.allSatisfy { ASCII.isAlphanumeric($0) || ":-_.\\@".utf8.contains($0) }
    }
}

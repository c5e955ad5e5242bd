// The text of /proc/PID/cgroup, and units as sd_pid_get_unit(3) finds them.

import MailModel
import Testing

@Suite struct ControlGroupTests {
    @Test(
        arguments: [
            ("0::/system.slice/cron.service\n", "/system.slice/cron.service"),
            ("0::/\n", ""), ("", ""), ("\n\n", ""), ("0::\n", ""), ("nonsense", ""), ("0:/x\n", ""), ("0::relative\n", ""),
            // Version 1: the hierarchy of systemd counts, wherever it stands.
            (
                "12:cpu,cpuacct:/user.slice\n1:name=systemd:/user.slice/user-1000.slice/session-3.scope\n0::/user.slice\n",
                "/user.slice/user-1000.slice/session-3.scope"
            ),
            ("1:name=systemd:/\n0::/init.scope\n", "/init.scope"),
            ("4:memory:/a\n3:pids:/b\n", ""),
            // A path may have colons.
            ("0::/system.slice/a:b.service\n", "/system.slice/a:b.service"),
            ("0::/user.slice/evil\u{1B}[2J\n", "/user.slice/evil?[2J"),
        ] as [(String, String)])
    func paths(text: String, path: String) { #expect(ControlGroup.path(Array(text.utf8)) == path) }

    @Test func pathsAreBounded() {
        let path = ControlGroup.path(Array("0::/\(String(repeating: "x", count: 100_000))".utf8))
        #expect(path.utf8.count == ControlGroup.longest)
    }

    @Test(
        arguments: [
            ("/system.slice/cron.service", "cron.service"), ("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"),
            ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope"),
            ("/user.slice/user-1000.slice/user@1000.service/app.slice/evil.service", "user@1000.service"),
            ("/init.scope", "init.scope"), ("/system.slice/_weird.service", "weird.service"), ("/system.slice", ""), ("", ""), ("/", ""),
            ("/docker/0123456789abcdef", ""), ("/system.slice/cron.service/sub", "cron.service"), ("/system.slice/.service", ""),
            ("/system.slice/a b.service", ""), ("/system.slice/x.target", ""),
        ] as [(String, String)])
    func units(path: String, unit: String) { #expect(ControlGroup.unit(of: path) == unit) }
}

import MailConfiguration
import MailLog
import MailQueue
import SystemKit
import Testing

@testable import Master

/// A private instance whose programs are shell scripts. Rounds of the loop end by events; the bound on each wait only keeps a failing test
/// from hanging.
private final class Instance {
    let root: String
    private(set) var loop: MasterLoop?

    init(master: String, scripts: [String: String], main: String = "") throws {
        let base = ProcessSpawn.environmentVariable("TMPDIR") ?? "/tmp"
        root = "\(base)/master-\(ProcessSpawn.currentProcessID)-\(UInt32.random(in: 0...UInt32.max))"
        for directory in ["", "/d", "/q"] { try Files.makeDirectory(root + directory, mode: 0o755) }
        try write("main.cf", "queue_directory = \(root)/q\ndaemon_directory = \(root)/d\nstop_timeout = 20s\n\(main)\n")
        try write("master.cf", master)
        for (name, text) in scripts {
            try write("d/\(name)", "#!/bin/sh\n\(text)\n")
            try Files.changeMode("\(root)/d/\(name)", 0o755)
        }
    }

    func start() throws {
        let configuration = try MasterConfiguration.load(directory: root)
        let me = (user: Privileges.effectiveUser, group: Privileges.effectiveGroup)
        let owners = QueueLayout.Owners(root: me, mail: me, submissionGroup: me.group)
        try QueueLayout(owners).make(in: configuration.queueDirectory)
        var listeners = ListenerSet()
        try listeners.update(configuration.services)
        let log = MailLog(program: "master", syslogName: "martlet", destination: .file(root + "/log"))
        loop = try MasterLoop(
            configuration: configuration, listeners: listeners, signals: try SignalWait.descriptor(for: [.user2]), log: log,
            notifier: ServiceManagerNotifier(socket: nil), isDebugging: false)
    }

    func write(_ name: String, _ text: String) throws {
        try FileDescriptor.open("\(root)/\(name)", [.writeOnly, .create, .truncate], mode: 0o644).writeAll(Array(text.utf8))
    }

    func read(_ name: String) -> String {
        (try? Files.contents(of: "\(root)/\(name)")).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// Rounds until a condition holds; false when it does not come to hold.
    func rounds(until condition: () -> Bool) throws -> Bool {
        let end = SystemClock.monotonic() + 20_000_000
        while !condition() {
            guard SystemClock.monotonic() < end, let loop, try loop.step(maximumWait: 50) else { return condition() }
        }
        return true
    }

    func connect(_ name: String) throws -> FileDescriptor { try Sockets.connectUnix(path: "\(root)/q/\(name)") }

    /// Ends everything.
    func stop() throws {
        loop?.stop(.terminate)
        while let loop, try loop.step(maximumWait: 50) {}
        loop = nil
    }

    deinit {
        try? stop()
        try? Self.remove(root)
    }

    private static func remove(_ path: String) throws {
        for name in try Files.directoryEntries(path) {
            let child = "\(path)/\(name)"
            if try Files.linkStatus(of: child).isDirectory { try remove(child) } else { try Files.unlink(child) }
        }
        try Files.removeDirectory(path)
    }
}

@Suite struct MasterLoopTests {
    /// Says that it is available, notes its arguments and descriptors, and ends with master's lifetime pipe or by a signal.
    static let obedient = """
        printf '%s\\n' "$*" > "$0.arguments"
        n=0; while [ $n -lt 10 ]; do [ -e /proc/$$/fd/$n ] && printf "$n "; n=$((n + 1)); done > "$0.descriptors"
        mv "$0.descriptors" "$0.ready"
        printf A >&3
        exec /bin/cat <&4
        """

    @Test func aConnectionStartsTheProgramBehindIt() throws {
        let instance = try Instance(
            master: "echo unix - n n - 1 echo\nidle unix - n n - 1 idle\n", scripts: ["echo": Self.obedient, "idle": "exit 9"])
        try instance.start()
        #expect(instance.loop?.childCount == 0)
        _ = try instance.connect("private/echo")
        #expect(try instance.rounds { !instance.read("d/echo.ready").isEmpty })
        #expect(instance.read("d/echo.arguments") == "-n echo -t unix -f -c \(instance.root)\n")
        // 5 is the configuration, 6 the listener, 7 the lock of a service with one process.
        #expect(instance.read("d/echo.ready") == "0 1 2 3 4 5 6 7 ")
        #expect(instance.loop?.childCount == 1)
        try instance.stop()
        #expect(instance.read("log").contains("martlet/master["))
        #expect(instance.read("log").contains(": terminating on signal 15\n"))
    }

    @Test func aFailingProgramIsThrottledAndItsLastWordsAreLogged() throws {
        let instance = try Instance(
            master: "bad unix - n n - 1 bad\ngood unix - n n - 1 good\nmissing unix - n n - 1 missing\n",
            scripts: ["bad": "echo Fatal error: index out of range >&2; exit 3", "good": Self.obedient])
        try instance.start()
        // A connection waits in the listener's queue even after its client went away.
        _ = try instance.connect("private/bad")
        _ = try instance.connect("private/missing")
        #expect(try instance.rounds { instance.read("log").contains("missing: bad command startup") })
        #expect(try instance.rounds { instance.read("log").contains("bad: bad command startup") })
        let log = instance.read("log")
        #expect(log.contains(": warning: process \(instance.root)/d/bad pid "))
        #expect(log.contains(": Fatal error: index out of range\n"))
        #expect(log.contains(" exit status 3\n"))
        #expect(log.contains(": warning: \(instance.root)/d/bad: bad command startup -- throttling\n"))
        #expect(log.contains("missing: No such file or directory\n"))
        // The others go on.
        _ = try instance.connect("private/good")
        #expect(try instance.rounds { !instance.read("d/good.ready").isEmpty })
    }

    @Test func aWakeUpStartsTheQueueManagerByItself() throws {
        let instance = try Instance(master: "qmgr unix n n n 300 1 qmgr\n", scripts: ["qmgr": Self.obedient])
        try instance.start()
        #expect(try instance.rounds { !instance.read("d/qmgr.ready").isEmpty })
        #expect(instance.loop?.childCount == 1)
    }

    @Test func aSingleProcessWaitsForItsPredecessorUnderAKilledMaster() throws {
        let instance = try Instance(master: "qmgr unix n n n 300 1 qmgr\n", scripts: ["qmgr": Self.obedient])
        try instance.start()
        do {
            // What a child of the earlier master still holds.
            let earlier = try FileDescriptor.open(instance.root + "/q/pid/unix.qmgr", [.readWrite, .create])
            #expect(try earlier.tryLockExclusive())
            #expect(try instance.rounds { instance.read("log").contains("service qmgr: waiting for the process of an earlier master") })
            #expect(instance.loop?.childCount == 0)
        }
        #expect(try instance.rounds { !instance.read("d/qmgr.ready").isEmpty })
        let other = try FileDescriptor.open(instance.root + "/q/pid/unix.qmgr", .readWrite)
        #expect(try !other.tryLockExclusive())
    }

    /// Copies the configuration it was given, and lives until master goes. The descriptor's position is shared by all children (ServiceKit
    /// reads without one), so that it is opened anew.
    static let copying = "/bin/cat /proc/self/fd/5 > \"$0.new\"; mv \"$0.new\" \"$0.got\"; printf A >&3; exec /bin/cat <&4"

    @Test func aBadReloadKeepsTheOldConfigurationAlsoForLaterChildren() throws {
        let instance = try Instance(
            master: "a unix - n n - 1 a\nb unix - n n - 1 b\n", scripts: ["a": Self.copying, "b": Self.copying], main: "x1 = before")
        try instance.start()
        func report() throws -> ReloadReport { try #require(ReloadReport.read(queueDirectory: instance.root + "/q")) }
        #expect(try report().attempt == 1 && report().refusals.isEmpty)
        #expect(try report().processID == Int(ProcessSpawn.currentProcessID))
        let good = instance.read("main.cf")
        try instance.write("master.cf", "a unix - n n - 1 a\nb unix - n n - 1 b -o maximal_queue_lifetime=always\nc unix bad\n")
        try instance.write("main.cf", good + "message_size_limit = lots\nmax_idle = never\n")
        instance.loop?.reload()
        let log = instance.read("log")
        for place in ["main.cf:5: message_size_limit", "main.cf:6: max_idle", "master.cf:3: "] {
            #expect(log.contains(": error: \(instance.root)/\(place)"))
            #expect(try report().refusals.contains { $0.hasPrefix("\(instance.root)/\(place)") })
        }
        #expect(log.contains("the old configuration stays in use\n"))
        #expect(try report().attempt == 2 && report().refusals.count == 3)
        _ = try instance.connect("private/a")
        #expect(try instance.rounds { !instance.read("d/a.got").isEmpty })
        let given = try #require(ConfigurationSnapshot(encoded: try Files.contents(of: instance.root + "/d/a.got")))
        #expect(try given.configuration().text(of: "x1") == "before")
        // An option of a service that is wrong is found before its program is started.
        try instance.write("master.cf", "a unix - n n - 1 a\nb unix - n n - 1 b -o maximal_queue_lifetime=always\n")
        try instance.write("main.cf", good)
        instance.loop?.reload()
        #expect(instance.read("log").contains("master.cf:2: the service b: -o maximal_queue_lifetime: "))
        // Mended.
        try instance.write("master.cf", "a unix - n n - 1 a\nb unix - n n - 1 b\n")
        try instance.write("main.cf", good + "x1 = after\n")
        instance.loop?.reload()
        #expect(try report().attempt == 4 && report().refusals.isEmpty)
        _ = try instance.connect("private/b")
        #expect(try instance.rounds { !instance.read("d/b.got").isEmpty })
        let later = try #require(ConfigurationSnapshot(encoded: try Files.contents(of: instance.root + "/d/b.got")))
        #expect(try later.configuration().text(of: "x1") == "after")
    }

    @Test func aReloadDrainsAndRebinds() throws {
        // Ends on SIGHUP, as a daemon that has nothing to finish.
        let script = "trap 'exit 0' HUP; printf A >&3; echo $$ > \"$0.pid\"; while :; do read x <&4 || exit 0; done"
        let instance = try Instance(master: "a unix - n n - 1 a\nb unix - n n - 1 a\n", scripts: ["a": script])
        try instance.start()
        _ = try instance.connect("private/a")
        #expect(try instance.rounds { !instance.read("d/a.pid").isEmpty })
        try instance.write("master.cf", "a unix n n n - 1 a\n")
        instance.loop?.reload()
        #expect(instance.read("log").contains(": reload -- version "))
        // The connection nobody took is gone with its listener; the old process has ended.
        #expect(try instance.rounds { instance.loop?.childCount == 0 })
        #expect(throws: SystemError.self) { _ = try instance.connect("private/b") }
        #expect(throws: SystemError.self) { _ = try instance.connect("private/a") }
        _ = try instance.connect("public/a")
    }

    @Test func aChildThatDoesNotStopIsKilled() throws {
        let script = "trap '' TERM; printf A >&3; : > \"$0.up\"; while :; do read x <&4 || exec /bin/cat \"$0.fifo\"; done"
        let instance = try Instance(master: "a unix - n n - 1 a\n", scripts: ["a": script], main: "")
        try instance.start()
        _ = try instance.connect("private/a")
        #expect(try instance.rounds { (try? Files.exists(instance.root + "/d/a.up")) == true })
        instance.loop?.stop(.terminate)
        // The second request does not wait for stop_timeout.
        instance.loop?.stop(.terminate)
        #expect(try instance.rounds { instance.loop?.childCount == 0 })
        #expect(instance.read("log").contains("did not finish in time: killing it\n"))
        #expect(instance.read("log").contains("killed by signal 9\n"))
    }

    /// smtpd needs cleanup until its sessions have ended: programs behind Unix-domain sockets stay, and can be started, so long.
    @Test func aStopEndsTheProgramsOfTheNetworkFirst() throws {
        let slow = """
            trap ': > "$0.told"; read x < "$0.fifo"; exit 0' TERM
            mkfifo "$0.fifo"
            printf A >&3
            : > "$0.up"
            /bin/cat <&4 &
            wait
            """
        let probe = try Sockets.listenTCP(host: "127.0.0.1", port: 0, backlog: 1)
        let port = try Sockets.localAddress(of: probe.rawValue).port
        _ = consume probe
        let instance = try Instance(
            master: "127.0.0.1:\(port) inet n n n - 1 slow\necho unix - n n - 1 echo\nlate unix - n n - 1 late\n",
            scripts: ["slow": slow, "echo": Self.obedient, "late": Self.obedient])
        try instance.start()
        _ = try Sockets.connectTCP(host: "127.0.0.1", port: Int(port))
        _ = try instance.connect("private/echo")
        #expect(try instance.rounds { (try? Files.exists(instance.root + "/d/slow.up")) == true && !instance.read("d/echo.ready").isEmpty })
        instance.loop?.stop(.terminate)
        #expect(try instance.rounds { (try? Files.exists(instance.root + "/d/slow.told")) == true })
        _ = try instance.connect("private/late")
        #expect(try instance.rounds { !instance.read("d/late.ready").isEmpty })
        #expect(instance.loop?.childCount == 3)
        let release = try FileDescriptor.open(instance.root + "/d/slow.fifo", [.writeOnly])
        try release.writeAll(Array("\n".utf8))
        #expect(try instance.rounds { instance.loop?.childCount == 0 })
    }

    @Test func theQueueGetsItsDirectories() throws {
        let instance = try Instance(master: "a unix - n n - 1 a\n", scripts: [:])
        try instance.start()
        for (name, mode) in [("incoming", 0o700), ("maildrop", 0o1770), ("private", 0o700), ("public", 0o710), ("pid", 0o755)]
            as [(String, UInt32)]
        {
            #expect(try Files.status(of: "\(instance.root)/q/\(name)").mode == mode)
        }
        let queue = instance.root + "/q"
        #expect(try !MasterLock.isHeld(queueDirectory: queue))
        let lock = try #require(try MasterLock(queueDirectory: queue))
        #expect(try MasterLock.isHeld(queueDirectory: queue))
        #expect(
            instance.read("q/pid/master.pid").split(separator: "\n").first?.suffix(1) == String(ProcessSpawn.currentProcessID).suffix(1))
        #expect(try MasterLock(queueDirectory: queue) == nil)
        #expect(MasterLock.refusal(queueDirectory: queue) == "the mail system is already running: process \(ProcessSpawn.currentProcessID)")
        try FileDescriptor.open(MasterLock.path(in: queue), [.writeOnly, .truncate]).writeAll(Array("x\n".utf8))
        #expect(MasterLock.refusal(queueDirectory: queue) == "the mail system is already running")
        withExtendedLifetime(lock) {}
    }

    @Test func theServiceManagerIsTold() throws {
        let base = ProcessSpawn.environmentVariable("TMPDIR") ?? "/tmp"
        let path = "\(base)/notify-\(ProcessSpawn.currentProcessID)-\(UInt32.random(in: 0...UInt32.max))"
        let receiver = try Sockets.receiveDatagrams(path: path)
        defer { try? Files.unlink(path) }
        let notifier = ServiceManagerNotifier(socket: path, watchdogMicroseconds: 20)
        #expect(notifier.watchdogInterval == 10)
        notifier.ready(status: "running")
        notifier.reloading(monotonic: 5)
        notifier.stopping()
        notifier.isAlive()
        var texts: [String] = []
        for _ in 0..<4 { texts.append(String(decoding: try receiver.read(upTo: 4096), as: UTF8.self)) }
        #expect(
            texts == [
                "READY=1\nMAINPID=\(ProcessSpawn.currentProcessID)\nSTATUS=running", "RELOADING=1\nMONOTONIC_USEC=5", "STOPPING=1",
                "WATCHDOG=1",
            ])
        ServiceManagerNotifier(socket: nil).stopping()
        ServiceManagerNotifier(socket: "/nonexistent").stopping()
    }
}

"""A rain of breakages on one instance under load: as soon as a program is up again it is broken again, several programs at a time.

Nothing waits for the queue to be empty between two breakages, so that one costs as long as a program takes to be started and to come to the
call in question. After each shower the senders stop, the queue must become empty, and everything acknowledged must be there.
"""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections import Counter

from breakage import Scripts
from harness import BIN, Instance
from load import WINDOWS, Load, Sink, settle, start

# How long a program may take to come to its breakage before it is given another one.
PATIENCE = 4.0


class Shower:
    """What is under way for one program."""

    def __init__(self, program, breakages):
        self.program, self.breakages = program, breakages
        self.current = None
        self.taken_at = None
        self.kill_at = None


class SingleAgents(Instance):
    """One process of each agent: otherwise another one does the work, and nothing comes to the broken one."""

    def write_configuration(self):
        super().write_configuration()
        path = self.config / "master.cf"
        text = path.read_text()
        for agent in ("smtp", "local"):
            text = text.replace(f"{agent} unix - n n - - {agent}\n", f"{agent} unix - n n - 1 {agent}\n")
        path.write_text(text)


class Rain:
    """An instance, its load, and the counts."""

    def __init__(self, directory, seed, name):
        self.chance = random.Random(f"{seed} {name}")
        self.scripts = Scripts(directory)
        self.sink = Sink()
        self.instance = SingleAgents(
            directory / "one", "mail.sender.test", users=["phil", "anna", "postmaster"], aliases={"boxer": f"{directory}/one/mail/boxer.mbox"},
            main={
                "daemon_directory": self.scripts.path, "command_directory": self.scripts.path, "minimal_backoff_time": "1s",
                "maximal_backoff_time": "2s", "queue_run_delay": "1s", "service_throttle_time": "1s", "transport_retry_time": "1s",
                "maximal_queue_lifetime": "1h", "commit_log_size": "262144", "transport_maps": f"inline:{{remote.test=smtp:[127.0.0.1]:{self.sink.port}}}",
            },
        )
        self.load = Load(self.instance, self.chance)
        self.kills = Counter()
        self.faults = Counter()
        self.plain_kills = 0
        self.system_kills = 0
        # By what died in the middle of an orderly stop.
        self.stops = Counter()
        # Breakages that no process came to, by call.
        self.missed = Counter()
        self.acknowledged = 0
        self.windows = Counter()
        self.slowest = 0.0
        # Orders of an administrator: the whole queue held, and released.
        self.order = None
        self.orders = Counter()
        self.next_order = 0.0

    def start(self):
        start(self.instance)

    def stop(self):
        self.instance.stop(patience=40)
        self.sink.stop()

    # Breaking

    def _step(self, shower):
        """Looks at one program; true when a breakage of it is over."""
        now = time.monotonic()
        if shower.current is None:
            if not shower.breakages:
                return False
            shower.current = shower.breakages.pop()
            shower.taken_at = shower.kill_at = None
            self.scripts.give(shower.current)
            if shower.program != "postdrop":
                # Where the last breakage left no process there is nothing to kill, and the next one is on its way.
                self.plain_kills += self.instance.kill_children(shower.program)
            shower.given_at = now
            return False
        breakage = shower.current
        if shower.kill_at is not None:
            # After an error the program had a while to go on with it.
            if now < shower.kill_at:
                return False
            self._conclude(shower, True)
            return True
        if self.scripts.has_happened(breakage):
            if breakage.effect == "KILL" or shower.program == "postdrop":
                self._conclude(shower, True)
                return True
            shower.kill_at = now + self.chance.uniform(0.1, 0.6)
            return False
        if shower.taken_at is None and self.scripts.is_taken(breakage):
            shower.taken_at = now
        if now - (shower.taken_at or shower.given_at + PATIENCE) > PATIENCE:
            self._conclude(shower, False)
            return True
        return False

    def _conclude(self, shower, happened):
        breakage = shower.current
        self.scripts.withdraw(breakage)
        shower.current = None
        if not happened:
            self.missed[(breakage.program, breakage.call, breakage.effect)] += 1
        elif breakage.effect == "KILL":
            self.kills[(breakage.program, breakage.call)] += 1
        else:
            self.faults[(breakage.program, breakage.call, breakage.effect)] += 1

    def shower(self, breakages, seconds=60.0):
        """Has these breakages happen, under load, and checks what is there after it. The order within a program is kept."""
        showers = {}
        for breakage in breakages:
            showers.setdefault(breakage.program, Shower(breakage.program, [])).breakages.insert(0, breakage)
        self.load.start()
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline and any(s.current or s.breakages for s in showers.values()):
                for shower in showers.values():
                    self._step(shower)
                self._give_orders(time.monotonic())
                time.sleep(0.01)
        finally:
            if self.order:
                self.order.wait()
            left = []
            for shower in showers.values():
                if shower.current:
                    if self.scripts.has_happened(shower.current):
                        self._conclude(shower, True)
                    else:
                        left.append(shower.current)
                        self.scripts.withdraw(shower.current)
                        shower.current = None
                left.extend(reversed(shower.breakages))
                # Nothing that is broken is left; what is still there must go.
                if shower.program != "postdrop":
                    self.plain_kills += self.instance.kill_children(shower.program)
            self.load.stop()
        self.check()
        return left

    def _give_orders(self, now):
        """Now and then holds everything, and releases it; an order may find qmgr dead, or kill it at a rename."""
        if now < self.next_order or (self.order and self.order.poll() is None):
            return
        self.next_order = now + self.chance.uniform(0.3, 1.5)
        verb = "release" if self.orders["hold"] > self.orders["release"] else "hold"
        self.orders[verb] += 1
        environment = {"PATH": "/usr/bin:/bin", "MAIL_CONFIG": str(self.instance.config)}
        self.order = subprocess.Popen([BIN / "martlet", "queue", verb, "ALL"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill_everything(self):
        """master and all its children die in the same moment, under load, and a new master starts."""
        self.load.start()
        time.sleep(self.chance.uniform(0.1, 0.5))
        # master first: a child that it starts in the middle would escape.
        os.kill(self.instance.process.pid, signal.SIGSTOP)
        processes = [*self.instance.children(), self.instance.process.pid]
        for sig in (signal.SIGSTOP, signal.SIGKILL):
            for pid in processes:
                os.kill(pid, sig)
        self.instance.process.wait()
        start(self.instance, keeps_ports=True)
        self.system_kills += 1
        self.load.stop()

    def kill_master(self):
        """master alone dies, under load; its children finish what they do and end, and a new master starts, as a service manager would see to."""
        self.load.start()
        time.sleep(self.chance.uniform(0.1, 0.5))
        self.instance.process.kill()
        self.instance.process.wait()
        self.plain_kills += 1
        start(self.instance, keeps_ports=True)
        self.load.stop()

    def kill_within_stop(self):
        """An orderly stop, under load, in the middle of which one program dies, all processes of it; or master, or everything. Then a start."""
        self.load.start()
        time.sleep(self.chance.uniform(0.1, 0.5))
        victim = self.chance.choice(["smtpd", "cleanup", "qmgr", "pickup", "smtp", "local", "bounce", "master", "everything"])
        # Looked for before: to look takes as long as half of a stop.
        doomed = [self.instance.process.pid] if victim in ("master", "everything") else []
        if victim != "master":
            doomed += self.instance.children(None if victim == "everything" else victim)
        self.instance.process.send_signal(signal.SIGTERM)
        # The stages take about a tenth of a second, where nothing is slow; later ones are found by few.
        time.sleep(self.chance.choice([0, self.chance.uniform(0, 0.03), self.chance.uniform(0, 0.12)]))
        killed = 0
        for pid in doomed:
            if pid == self.instance.process.pid and self.instance.process.poll() is not None:
                continue
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
        self.stops[victim if killed else "nobody"] += 1
        self.plain_kills += killed
        # master sees to the others, and ends when the last has ended.
        self.instance.process.wait(40)
        start(self.instance, keeps_ports=True)
        self.load.stop()

    # Checking

    def check(self):
        count, windows, took = settle(self.instance, self.sink, self.load)
        self.acknowledged += count
        self.windows += windows
        self.slowest = max(self.slowest, took)

    def total_kills(self):
        return sum(self.kills.values()) + self.plain_kills + self.system_kills

    def summary(self):
        kills, faults = sum(self.kills.values()), sum(self.faults.values())
        return (
            f"{kills} kills at system calls, {self.plain_kills} at random moments, {self.system_kills} of everything; {faults} faults; "
            f"{sum(self.missed.values())} did not come about; {sum(self.stops.values())} stops, in {sum(self.stops.values()) - self.stops['nobody']} of which something died; everything held {self.orders['hold']} times; {self.acknowledged} messages acknowledged, lost 0; more than once: "
            + ", ".join(f"{w} {self.windows[w]}" for w in WINDOWS)
            + f"; slowest recovery {self.slowest:.1f} s"
        )

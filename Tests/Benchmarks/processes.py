"""What a tree of processes uses: CPU time and memory. Read from /proc."""

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def _stat():
    """pid: (parent, name, fields of /proc/PID/stat behind the name)."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                head, tail = Path("/proc", entry, "stat").read_text().rsplit(")", 1)
            except (OSError, ValueError):
                continue
            fields = tail.split()
            found[int(entry)] = (int(fields[1]), head.split("(", 1)[1], fields)
    return found


def tree(root):
    """The processes from root downwards: pid: (name, fields)."""
    processes, below = _stat(), {}
    for pid, (_, name, fields) in processes.items():
        above = pid
        while above not in (root, 0):
            above = processes[above][0] if above in processes else 0
        if above == root:
            below[pid] = (name, fields)
    return below


def cpu_seconds(root):
    """User and system seconds of a process and all below it, the reaped ones too. Work of kernel threads is nobody's."""
    user = system = 0
    for _, fields in tree(root).values():
        user += int(fields[11]) + int(fields[13])
        system += int(fields[12]) + int(fields[14])
    return user / TICKS, system / TICKS


def proportional_kilobytes(root, without=("unshare", "sh", "bash")):
    """The proportional set size (PSS): a page that N processes share counts 1/N for each. Returns (total, {name: [count, kilobytes]})."""
    total, by_name = 0, {}
    for pid, (name, _) in tree(root).items():
        if name in without:
            continue
        try:
            text = Path("/proc", str(pid), "smaps_rollup").read_text()
        except OSError:
            continue
        size = next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)
        total += size
        entry = by_name.setdefault(name, [0, 0])
        entry[0] += 1
        entry[1] += size
    return total, by_name


def process_cpu(root, name):
    """CPU seconds of the processes of one name below root, and whether there is one."""
    found = [fields for n, fields in tree(root).values() if n == name]
    return sum(int(f[11]) + int(f[12]) for f in found) / TICKS, bool(found)

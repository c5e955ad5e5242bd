"""An ext4 file system of the benchmark's own, so that both MTAs write to the same one and nothing else does.

As root the whole run happens in a mount and a process namespace of its own: the mount is seen by nobody else, and when the run ends,
however it ends, the kernel ends what it started, unmounts, and frees the loop device. The image is unlinked as soon as it is mounted.

The file system is to stand for one on a disk. So every block of the image is written before, and the device reads and writes it directly: with
a sparse image behind the page cache each fdatasync would wait for a second file system, which allocates blocks and commits a journal of its
own, and the figures would be that file system's. Where direct access is not to be had (tmpfs), the tables say so.

Known limits: both MTAs have the same device, but not the same places on it. Without root there is no loop device: the directory that was asked
for is used as it is."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

INSIDE = "MARTLET_BENCH_DIRECTORY"


def run_inside(directory, gigabytes, inodes):
    """Runs this program again with its own file system; returns its status. `directory` holds the image while the run lasts."""
    base = Path(tempfile.mkdtemp(prefix="martlet-bench-", dir=directory))
    try:
        image = base / "image"
        with open(image, "wb") as file:
            print(f"writing an image of {gigabytes} GB", flush=True)
            for _ in range(gigabytes << 6):
                file.write(bytes(1 << 24))
            os.fsync(file.fileno())
        # The inode tables are written now, not by the kernel behind the back of the first measurements.
        subprocess.run(["mkfs.ext4", "-q", "-F", "-N", str(inodes), "-E", "lazy_itable_init=0,lazy_journal_init=0", image], check=True)
        (base / "fs").mkdir()
        # Whoever ends, the others end: setpriv sees to it from this process down, --kill-child from there.
        command = [
            "setpriv",
            "--pdeathsig",
            "KILL",
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            sys.executable,
            *sys.argv,
        ]
        child = subprocess.Popen(command, env=dict(os.environ, **{INSIDE: str(base)}))
        signal.signal(signal.SIGTERM, lambda *_: child.kill())
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                # The terminal has told the child too; it says what it has.
                continue
    finally:
        shutil.rmtree(base, ignore_errors=True)


def mounted():
    """The directory of the mounted file system, in a run that run_inside has started; else None."""
    if INSIDE not in os.environ:
        return None
    base = Path(os.environ[INSIDE])
    device = subprocess.run(["losetup", "--find", "--show", base / "image"], check=True, capture_output=True, text=True).stdout.strip()
    # Where it fails, describe() says what there is.
    subprocess.run(["losetup", "--direct-io=on", device], check=False)
    subprocess.run(["mount", device, base / "fs"], check=True)
    # Freed by the kernel with the mount.
    subprocess.run(["losetup", "--detach", device], check=True)
    (base / "image").unlink()
    os.chmod(base, 0o755)
    os.chmod(base / "fs", 0o755)
    if can_throttle():
        # A run that was killed may have left its limit to the device.
        limit_writes(base / "fs", 0)
    return base / "fs"


def can_mount():
    """Whether a loop device can be had: root, and not a container without them."""
    if os.geteuid() != 0 or not all(shutil.which(p) for p in ("unshare", "setpriv", "mkfs.ext4", "losetup")):
        return False
    return subprocess.run(["losetup", "--find"], capture_output=True).returncode == 0


def describe(directory):
    """The type, device and options of the file system that holds a directory."""
    path, found = os.path.realpath(directory), ("", "?")
    for line in Path("/proc/self/mounts").read_text().splitlines():
        device, point, kind, options = line.split()[:4]
        if (path == point or path.startswith(point.rstrip("/") + "/")) and len(point) >= len(found[0]):
            found = (point, f"{kind} on {device} ({options}){access(device)}")
    return found[1]


def access(device):
    """How a loop device reaches its image."""
    try:
        direct = Path(f"/sys/block/{Path(device).name}/loop/dio").read_text().strip() == "1"
    except OSError:
        return ""
    return ", direct access to the image" if direct else ", image behind the page cache"


def bytes_written(directory):
    """What was written so far to the device of the file system that holds a directory; None where it has no device of its own."""
    device = os.stat(directory).st_dev
    try:
        fields = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").read_text().split()
    except OSError:
        return None
    return int(fields[6]) * 512


def throttle():
    """Where the kernel is told what a device may take from this group of processes: in its first kind of control groups; None without them."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        path = Path(f"/sys/fs/cgroup/blkio{group}/blkio.throttle.write_bps_device")
        if "blkio" in controllers.split(",") and path.exists():
            return path
    return None


def limit_writes(directory, bytes_a_second):
    """0 for no limit."""
    device = os.stat(directory).st_dev
    throttle().write_text(f"{os.major(device)}:{os.minor(device)} {bytes_a_second}")


def can_throttle():
    """Only a device of this run's own is slowed down."""
    return INSIDE in os.environ and throttle() is not None


@contextlib.contextmanager
def throttled(directory, megabytes_a_second):
    """While it lasts, the device takes no more than that (MB of 2^20 bytes)."""
    limit_writes(directory, megabytes_a_second << 20)
    try:
        yield
    finally:
        limit_writes(directory, 0)


def write_rate(directory, megabytes=256):
    """Megabytes a second that one writer gets, with one fsync at the end: the disk at its best."""
    import time

    block, path = os.urandom(1 << 20), Path(directory) / "write-rate"
    started = time.monotonic()
    with open(path, "wb", buffering=0) as file:
        for _ in range(megabytes):
            file.write(block)
        os.fsync(file.fileno())
    seconds = time.monotonic() - started
    path.unlink()
    return megabytes / seconds


def durable_rate(directory, files=256, writers=20):
    """Megabytes a second of files of 1 MB, each made durable with its name by one of so many writers: what a disk can do for messages of 1 MB."""
    import time
    from concurrent.futures import ThreadPoolExecutor

    block, folder = os.urandom(1 << 20), Path(directory) / "durable-rate"
    folder.mkdir()
    names = os.open(folder, os.O_RDONLY)

    def write(number):
        file = os.open(folder / str(number), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        os.write(file, block)
        os.fdatasync(file)
        os.fsync(names)
        os.close(file)

    started = time.monotonic()
    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(files)))
    seconds = time.monotonic() - started
    for number in range(files):
        (folder / str(number)).unlink()
    folder.rmdir()
    os.close(names)
    return files / seconds

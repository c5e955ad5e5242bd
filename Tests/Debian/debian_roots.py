"""Debian 12 roots for the tests: made once with debootstrap and kept in .build/debian; every test works in an overlay over one of them.

`bare` has systemd and no mail system. `full` is bare and the software that sends mail on servers, with Postfix as its mail system. Both have
what the package depends on, so that everything afterwards works without a network. Needs root."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("MARTLET_DEBIAN_CACHE", TOP / ".build" / "debian"))
SUITE = "bookworm"
MIRROR = os.environ.get("MARTLET_DEBIAN_MIRROR", "http://deb.debian.org/debian")
BASE = "systemd,systemd-sysv,dbus,udev,procps,iproute2"
# What the package itself needs; ca-certificates and the like are recommendations and stay away.
LIBRARIES = "libunbound8 liblmdb0 libcdb1 libpcre2-8-0 libevent-2.1-7 libseccomp2 libcap-ng0 debconf"
CLIENTS = (
    "postfix bsd-mailx cron at git git-email libmailtools-perl php-cli python3 python3-systemd pflogsumm fail2ban man-db bash-completion libcap2-bin"
)
ANSWERS = """\
postfix postfix/main_mailer_type select Local only
postfix postfix/mailname string mail.debian.test
"""


def run(*command, **options):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: status {result.returncode}\n{result.stdout[-4000:]}")
    return result.stdout


def in_root(root, *command, stdin=None, check=True):
    """A command in a root that is not booted. Services are not started there (policy-rc.d)."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C", "HOME": "/root"}
    wrapper = ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "sh", "-c"]
    mounts = [f'mount -t proc proc "{root}/proc"', f'mount -t tmpfs tmpfs "{root}/run"', f'mount --bind /dev/pts "{root}/dev/pts"']
    script = " && ".join(["hostname mail", "mount --make-rprivate /", *mounts, f'exec chroot "{root}" "$@"'])
    result = subprocess.run(
        [*wrapper, script, "sh", *command], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    if check and result.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: status {result.returncode}\n{result.stdout[-4000:]}")
    return result


def _finish(root):
    (root / "etc/apt/apt.conf.d/99martlet").write_text('APT::Keep-Downloaded-Packages "true";\nAcquire::Retries "3";\n')
    (root / "etc/dpkg/dpkg.cfg.d/martlet").write_text("force-unsafe-io\n")
    (root / "etc/hostname").write_text("mail\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 mail.debian.test mail\n::1 localhost\n")


def _install(root, packages):
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    in_root(root, "apt-get", "update", "-qq")
    in_root(root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages.split())
    policy.unlink()


def _made(name, key, make):
    """The root `name`, made if there is none of this description; a half-made one never gets the name."""
    root = CACHE / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    if root.exists():
        return root
    CACHE.mkdir(parents=True, exist_ok=True)
    for old in CACHE.glob(f"{name}-*"):
        shutil.rmtree(old)
    building = CACHE / f"{name}.building"
    shutil.rmtree(building, ignore_errors=True)
    make(building)
    building.rename(root)
    return root


def bare():
    def make(root):
        run("debootstrap", "--variant=minbase", f"--include={BASE}", SUITE, str(root), MIRROR)
        _finish(root)
        _install(root, LIBRARIES)

    return _made("bare", f"{SUITE} {MIRROR} {BASE} {LIBRARIES} 2", make)


def full():
    below = bare()

    def make(root):
        run("cp", "-a", str(below), str(root))
        in_root(root, "debconf-set-selections", stdin=ANSWERS)
        _install(root, CLIENTS)
        # For the way back; apt finds it here without a network.
        in_root(root, "sh", "-c", "cd /var/cache/apt/archives && apt-get download postfix")

    return _made("full", f"{below.name} {CLIENTS} {ANSWERS} 2", make)


class Overlay:
    """A root to change: a layer over one of the roots above, gone at the end."""

    def __init__(self, below, base):
        self.base = Path(base)
        self.root = self.base / "root"
        for name in ("upper", "work", "root"):
            (self.base / name).mkdir(parents=True)
        run("mount", "-t", "overlay", "overlay", "-o",
            f"lowerdir={below},upperdir={self.base}/upper,workdir={self.base}/work", str(self.root))

    def close(self):
        subprocess.run(["umount", str(self.root)], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

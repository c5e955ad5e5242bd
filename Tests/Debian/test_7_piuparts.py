"""Debian's own test of installing and purging: nothing is left, and nothing of the system has changed."""

import shutil
import subprocess

import pytest

import debian_roots


@pytest.mark.skipif(shutil.which("piuparts") is None, reason="needs piuparts")
def test_piuparts(package, base):
    result = subprocess.run(
        ["piuparts", f"--existing-chroot={debian_roots.bare()}", "--distribution=bookworm", "--keep-sources-list", "--no-eatmydata",
         f"--tmpdir={base}", "--do-not-verify-signatures", "--fail-on-broken-symlinks", str(package)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    assert result.returncode == 0, "\n".join(line for line in result.stdout.splitlines() if "DEBUG" not in line)[-4000:]
    assert "PASS: Installation and purging test." in result.stdout

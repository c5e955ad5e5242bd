"""The crash tests use the instances of the system tests: a private one in a directory of its own for each test."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "SystemTests"))


@pytest.fixture
def directory():
    """A directory that others may enter: root's deliveries to files are made with the rights of nobody."""
    base = Path(tempfile.mkdtemp(prefix="martlet-crash-"))
    os.chmod(base, 0o755)
    yield base
    shutil.rmtree(base, ignore_errors=True)

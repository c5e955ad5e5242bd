"""Index files of tables, made and read by Martlet and by other tools."""

import shutil
import subprocess

import pytest


@pytest.mark.skipif(not shutil.which("cdb"), reason="needs tinycdb")
def test_constant_databases_of_other_tools(alone):
    source = alone.config / "virtual"
    source.write_text("Matt@Example.org  anna\nexample.org anything\n")
    alone.martlet("map", "build", f"cdb:{source}", check=0)
    assert subprocess.run(["cdb", "-q", f"{source}.cdb", "matt@example.org"], capture_output=True, check=True).stdout == b"anna"
    assert alone.martlet("map", "query", "MATT@example.ORG", f"cdb:{source}", check=0).stdout == b"anna\n"
    assert alone.martlet("map", "query", "nobody@example.org", f"cdb:{source}").returncode == 1
    other = alone.config / "other"
    subprocess.run(["cdb", "-c", "-m", f"{other}.cdb", "-"], input=b"key value of cdb\n", check=True)
    assert alone.martlet("map", "query", "key", f"cdb:{other}", check=0).stdout == b"value of cdb\n"
    (alone.config / "short.cdb").write_bytes(b"x" * 100)
    assert alone.martlet("map", "query", "key", f"cdb:{alone.config}/short").returncode == 75

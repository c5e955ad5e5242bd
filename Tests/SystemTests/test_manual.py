"""The manual: a page for every program and command, every reference leads somewhere, and martlet(8) leads to every page."""

import re
import subprocess

import pytest

from harness import BIN, ROOT
from reference import NAMES

PAGES = {f"{path.stem}({path.suffix[1:]})": path for path in sorted((ROOT / "man").glob("man*/*.*"))}
# Of other packages.
FOREIGN = {"logrotate(8)", "systemctl(1)", "journalctl(1)", "systemd.exec(5)", "systemd.service(5)", "systemd.socket(5)", "sd_notify(3)", "sd_listen_fds(3)", "aliases(5)", "uuxqt(8)"}


def references(text):
    return {f"{name}({section})" for name, section in re.findall(r"^\.Xr (\S+) (\d)", text, re.M)}


def see_also(text):
    return references(text.split("\n.Sh SEE ALSO\n")[1].split("\n.Sh ")[0]) if "\n.Sh SEE ALSO\n" in text else set()


def test_every_program_and_command_has_a_page():
    # The suite is all of them in one file, and is called by their names.
    programs = {path.parent.name for path in (ROOT / "Sources").glob("*/main.swift")} - {"suite"}
    assert len(programs) > 10
    names = {page.split("(")[0] for page in PAGES}
    assert (programs | set(NAMES) | {"mailq", "newaliases"}) - names == set()


@pytest.mark.parametrize("page", PAGES)
def test_a_page(page):
    text = PAGES[page].read_text()
    assert references(text) - set(PAGES) - FOREIGN == set(), "each reference is a page of ours"
    assert see_also(text), "it leads on"
    assert "martlet(8)" in see_also(text) or page == "martlet(8)", "and back to the beginning"
    for section in ("NAME", "DESCRIPTION", "SEE ALSO"):
        assert f".Sh {section}\n" in text
    assert re.search(rf"^\.Nm {re.escape(page.split('(')[0].removeprefix('martlet_'))}$", text, re.M) or page.startswith("martlet_"), "its own name"


def test_martlet_leads_to_every_page():
    text = PAGES["martlet(8)"].read_text()
    assert set(PAGES) - references(text) == {"martlet(8)"}


def test_martlet_has_every_subcommand():
    text = PAGES["martlet(8)"].read_text()

    def subcommands(*words):
        shown = subprocess.run([str(BIN / "martlet"), *words, "--help"], capture_output=True, text=True, timeout=30).stdout
        return re.findall(r"^  ([a-z]+)", shown.split("SUBCOMMANDS:")[1], re.M) if "SUBCOMMANDS:" in shown else []

    top = [name for name in subcommands() if name != "help"]
    assert "queue" in top and "import" in top
    for name in top:
        for words in [[name, inner] for inner in subcommands(name) if inner != "help"] or [[name]]:
            assert re.search(rf"^\.It Cm {' '.join(words)}\b", text, re.M), words




def test_paths_are_those_of_the_system():
    for page, path in PAGES.items():
        assert "/usr/local" not in path.read_text(), page

#!/usr/bin/env python3
"""Kills, faults and power cuts for as long as it is told: `make torture`.

    torture.py [--kills N] [--faults N] [--cuts N] [--minutes M] [--seed S]

It goes on until there were so many of each, or until the time is over. The walk is systematic: every call that changes the queue, in every
program, at every number worth a try, in an order drawn from the seed, again and again. The first thing that is lost, torn, or there more often
than a window explains ends it with status 1. The last line is the summary.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "SystemTests"))

from breakage import faults, kills, label  # noqa: E402
from load import WINDOWS  # noqa: E402
from powercut import KINDS, PowerCuts, obstacle  # noqa: E402
from rain import Rain  # noqa: E402

# Breakages between two looks at everything. Long showers cost less; short ones tell sooner.
SHOWER = 60
FAULTS_OF_A_SHOWER = 20


class Deck:
    """All breakages in an order of chance; when all were drawn, all again in another order."""

    def __init__(self, make, chance):
        self.make, self.chance, self.cards = make, chance, []
        self.rounds = 0

    def draw(self, count):
        drawn = []
        while len(drawn) < count:
            if not self.cards:
                self.cards = self.make()
                self.chance.shuffle(self.cards)
                self.rounds += 1
            drawn.append(self.cards.pop())
        return drawn

    def give_back(self, cards):
        self.cards.extend(cards)


class Totals:
    def __init__(self):
        self.acknowledged = self.checks = self.kills = self.plain_kills = self.system_kills = self.stops = self.faults = self.cuts = 0
        self.windows, self.cut_windows = Counter(), Counter()
        self.by_call, self.missed = Counter(), Counter()


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def directory():
    base = Path(tempfile.mkdtemp(prefix="martlet-crash-"))
    os.chmod(base, 0o755)
    return base


def rain_for(seed, wanted_kills, wanted_faults, deadline, totals):
    base = directory()
    rain = Rain(base, seed, "torture")
    decks = Deck(kills, rain.chance), Deck(faults, rain.chance)
    try:
        rain.start()
        number = 0
        while time.monotonic() < deadline and (rain.total_kills() < wanted_kills or sum(rain.faults.values()) < wanted_faults):
            number += 1
            cards = [decks[0].draw(SHOWER) if rain.total_kills() < wanted_kills else [], decks[1].draw(FAULTS_OF_A_SHOWER) if sum(rain.faults.values()) < wanted_faults else []]
            together = cards[0] + cards[1]
            rain.chance.shuffle(together)
            left = rain.shower(together, seconds=90)
            for deck, drawn in zip(decks, cards):
                deck.give_back([card for card in left if card in drawn])
            rain.kill_everything()
            rain.kill_master()
            for _ in range(3):
                rain.kill_within_stop()
            rain.check()
            if number % 3 == 0:
                say(rain.summary())
    finally:
        say(rain.summary())
        totals.kills, totals.plain_kills, totals.system_kills, totals.faults = sum(rain.kills.values()), rain.plain_kills, rain.system_kills, sum(rain.faults.values())
        totals.stops = sum(rain.stops.values())
        totals.windows, totals.by_call = rain.windows, rain.kills
        totals.missed = Counter({(program, call): count for (program, call, effect), count in rain.missed.items() if effect == "KILL"})
        totals.acknowledged += rain.acknowledged
        rain.stop()
        shutil.rmtree(base, ignore_errors=True)


def cuts_for(seed, wanted, deadline, totals):
    kinds = list(KINDS)
    for number, kind in enumerate(kinds):
        share = (wanted - totals.cuts) // (len(kinds) - number)
        end = time.monotonic() + (deadline - time.monotonic()) / (len(kinds) - number)
        base = directory()
        cuts = PowerCuts(base, seed, kind)
        try:
            while cuts.cuts < share and time.monotonic() < end:
                cuts.run(min(30, share - cuts.cuts), end)
                say(cuts.summary())
        finally:
            totals.cuts += cuts.cuts
            totals.acknowledged += cuts.acknowledged
            totals.checks += cuts.checks
            totals.cut_windows += cuts.windows
            cuts.close()
            shutil.rmtree(base, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description="Kills, faults and power cuts under load.")
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--faults", type=int, default=740)
    parser.add_argument("--cuts", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    say(f"seed {options.seed}")
    totals, begun = Totals(), time.monotonic()
    deadline = begun + options.minutes * 60
    if options.cuts and obstacle():
        say(f"no power cuts: {obstacle()}")
        options.cuts = 0
    failure = None
    try:
        if options.kills or options.faults:
            rain_for(options.seed, options.kills, options.faults, deadline if not options.cuts else begun + options.minutes * 30, totals)
        if options.cuts:
            cuts_for(options.seed, options.cuts, deadline, totals)
    except AssertionError as error:
        failure = error
        print(str(error), flush=True)
    for program, call in sorted(set(totals.by_call) | set(totals.missed)):
        missed = totals.missed[(program, call)]
        print(f"    killed {program} at {label(call)}: {totals.by_call[(program, call)]}" + (f" ({missed} orders of this call were not come to)" if missed else ""))

    def windows(counter):
        return ", ".join(f"{w} {counter[w]}" for w in WINDOWS)

    print(
        f"torture: seed {options.seed}, {(time.monotonic() - begun) / 60:.0f} min: {totals.kills + totals.plain_kills + totals.system_kills} kills ({totals.kills} at system calls,"
        f" {totals.plain_kills} at random moments, among them those in the middle of {totals.stops} stops, {totals.system_kills} of everything), {totals.faults} faults, {totals.cuts} power cuts; {totals.acknowledged} messages acknowledged,"
        f" {totals.checks} looked for after a cut; {'LOST or wrong, see above' if failure else 'lost 0'}; more than once: kills and faults {windows(totals.windows)};"
        f" power cuts {windows(totals.cut_windows)}",
        flush=True,
    )
    return 1 if failure else 0


if __name__ == "__main__":
    sys.exit(main())

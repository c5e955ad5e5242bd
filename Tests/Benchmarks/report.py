"""Markdown tables and JSON out of what was recorded: medians over the rounds, and ratios of Martlet to Postfix."""

import json
import statistics


def median(rounds, name):
    values = [r[name] for r in rounds if r.get(name) is not None]
    return statistics.median(values) if values else None


def number(value, digits=2):
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 or digits == 0 else f"{value:.{digits}f}"


def ratio(a, b):
    return f"**{a / b:.2f}**" if a is not None and b else "-"


class Report:
    """results: {group: {run: {MTA's name: [values of a round]}}}, in the order in which they came."""

    def __init__(self, facts, names):
        self.facts, self.names = facts, names
        self.results, self.notes = {}, []

    def add(self, group, run, name, values):
        self.results.setdefault(group, {}).setdefault(run, {}).setdefault(name, []).append(values)

    def json(self):
        return json.dumps({"facts": self.facts, "notes": self.notes, "results": self.results}, indent=1)

    def markdown(self):
        parts = ["# Martlet and Postfix side by side\n", *(f"- {name}: {value}" for name, value in self.facts.items())]
        for group, render in TABLES.items():
            if group in self.results:
                title, columns = render
                names = self.names if group != "generator" else ["alone"]
                parts += ["", f"## {title}", "", *self._table(self.results[group], columns, names)]
        goals = list(self.goals())
        if goals:
            parts += ["", "## Goals", "", "| goal | limit | measured | met |", "|---|---:|---:|---|", *goals]
        if any(
            rounds[0].get("extrapolated_from") for runs in self.results.values() for by_name in runs.values() for rounds in by_name.values()
        ):
            parts += ["", "\\* Extrapolated: Postfix has a process for each client and by default 100 of them at most."]
        if self.notes:
            parts += ["", "## Notes", "", *(f"- {note}" for note in self.notes)]
        return "\n".join(parts) + "\n"

    def goals(self):
        """What was to be reached, beside what was, as rows of a table. Only what was measured, ratios only where there are two."""
        for group, run, title, take, limit, at_most in GOALS:
            for name, by_name in self.results.get(group, {}).items():
                if not name.startswith(run) or "Martlet" not in by_name:
                    continue
                value = take(by_name["Martlet"])
                if title.startswith("ratio"):
                    other = take(by_name["Postfix"]) if "Postfix" in by_name else None
                    value = value / other if value is not None and other else None
                if value is not None:
                    met = value <= limit if at_most else value >= limit
                    bound, answer = "at most" if at_most else "at least", "yes" if met else "**no**"
                    yield f"| {name}: {title} | {bound} {limit:g} | {number(value)} | {answer} |"

    @staticmethod
    def _table(runs, columns, names):
        """A column: (title, what to take of an MTA's rounds, digits, whether there is a ratio)."""
        compares = len(names) == 2
        heads = ["run"]
        for title, _, _, has_ratio in columns:
            heads += [f"{title}, {name}" for name in names] + (["ratio"] if compares and has_ratio else [])
        yield "| " + " | ".join(heads) + " |"
        yield "|---" + "|---:" * (len(heads) - 1) + "|"
        for run, by_name in runs.items():
            cells = [run]
            for _, take, digits, has_ratio in columns:
                values = [take(by_name[name]) if name in by_name else None for name in names]
                marks = ["*" if any(r.get("extrapolated_from") for r in by_name.get(name, [])) else "" for name in names]
                cells += [number(value, digits) + mark for value, mark in zip(values, marks)]
                if compares and has_ratio:
                    cells.append(ratio(*values))
            yield "| " + " | ".join(cells) + " |"


def _of(name):
    return lambda rounds: median(rounds, name)


def _cpu(rounds):
    return statistics.median(r["user"] + r["system"] for r in rounds)


def _split(name):
    return (f"{name} s/1,000", _of(name), 2, False)


def _column(title, name, digits=2, has_ratio=True):
    return (title, _of(name), digits, has_ratio)


TABLES = {
    "generator": ("The generator alone, source to sink", [_column("msg/s", "per_second", 0, False)]),
    "rate": (
        "Rates, CPU time, and what was written to the disk",
        [
            _column("msg/s", "per_second", 0),
            ("CPU s/1,000", _cpu, 2, True),
            _split("user"),
            _split("system"),
            _column("KB to the disk", "disk_kilobytes", 1),
            # Where the disk was slowed down to a rate that is known.
            _column("of the disk's rate", "of_disk", 2, False),
        ],
    ),
    "latency": (
        "From the final dot to 250, milliseconds",
        [
            _column("p50", "p50_ms"),
            _column("p99", "p99_ms"),
            _column("max", "max_ms", 1, False),
            _column("msg/s", "per_second", 0, False),
            _column("late", "late", 0, False),
        ],
    ),
    "memory": ("Memory (PSS of all processes)", [_column("MB", "megabytes", 1), _column("KB a session", "kilobytes_each", 1)]),
    "start": (
        "Start with deferred messages, seconds",
        [
            _column("port open", "listens"),
            _column("new message through", "new_mail"),
            _column("all known", "known"),
            _column("mailq", "mailq"),
            _column("qmgr MB", "qmgr_megabytes", 1, False),
            _column("all MB", "megabytes", 1, False),
        ],
    ),
}

# What this project has promised: group, beginning of the run's name, what, how, limit, whether it is the most (else the least).
GOALS = [
    ("rate", "accept, kept connections, 4", "ratio of rates", _of("per_second"), 5, False),
    ("rate", "relay, kept connections, 4", "ratio of rates", _of("per_second"), 5, False),
    ("rate", "local, kept connections, 4", "ratio of rates", _of("per_second"), 5, False),
    ("rate", "accept, connection per message", "ratio of rates", _of("per_second"), 5, False),
    ("rate", "relay, connection per message", "ratio of rates", _of("per_second"), 5, False),
    ("rate", "local, connection per message", "ratio of rates", _of("per_second"), 5, False),
    ("rate", "", "ratio of CPU time", _cpu, 0.25, True),
    ("rate", "", "part of the disk's rate", _of("of_disk"), 0.9, False),
    ("latency", "", "ratio of p99", _of("p99_ms"), 1, True),
    ("memory", "1,000 idle plain", "KB a session", _of("kilobytes_each"), 20, True),
    ("memory", "10,000 idle plain", "KB a session", _of("kilobytes_each"), 20, True),
    ("memory", "1,000 idle TLS", "KB a session", _of("kilobytes_each"), 60, True),
    ("memory", "10,000 idle TLS", "KB a session", _of("kilobytes_each"), 60, True),
    ("start", "1,000,000 deferred", "seconds until all are known", _of("known"), 10, True),
    ("start", "1,000,000 deferred", "MB of the queue manager", _of("qmgr_megabytes"), 300, True),
]

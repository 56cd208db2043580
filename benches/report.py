"""Figures into tables: on the terminal, as markdown and as JSON."""

import datetime
import json
import os
import platform
import shlex
import statistics


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


median = statistics.median
MARK = "## Last run"


class Table:
    """Rows are contenders, Neargate first. `columns` is [(name, unit, better)] with better "low",
    "high" or None; a peer's cell says in brackets how many times better Neargate is."""

    def __init__(self, title, columns, notes=()):
        self.title, self.columns, self.notes = title, columns, list(notes)
        self.rows = []
        self.samples = {}
        self.verbatim = None

    def row(self, name, *values):
        assert len(values) == len(self.columns), (name, values)
        self.rows.append((name, list(values)))

    def cells(self):
        heads = [f"{name} ({unit})" if unit else name for name, unit, _ in self.columns]
        lines = [["", *heads]]
        for name, values in self.rows:
            ours = self.rows[0][1]
            lines.append([name, *(cell(v, o, c[2], values is ours) for v, o, c in zip(values, ours, self.columns))])
        return lines

    def markdown(self):
        lines = [f"### {self.title}", ""]
        if self.rows:
            cells = self.cells()
            lines += ["| " + " | ".join(cells[0]) + " |", "|---" + "|--:" * len(self.columns) + "|"]
            lines += ["| " + " | ".join(line) + " |" for line in cells[1:]]
            lines.append("")
        if self.verbatim:
            lines += ["```", self.verbatim.rstrip(), "```", ""]
        lines += [f"- {note}" for note in self.notes]
        return "\n".join(lines).rstrip() + "\n"

    def text(self):
        lines = [self.title]
        if self.rows:
            cells = self.cells()
            widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
            for line in cells:
                first = line[0].ljust(widths[0])
                lines.append("  " + "  ".join([first] + [c.rjust(w) for c, w in zip(line[1:], widths[1:])]))
        if self.verbatim:
            lines += ["  " + line for line in self.verbatim.rstrip().splitlines()]
        return "\n".join(lines + [f"  * {note}" for note in self.notes])

    def data(self):
        names = [f"{name} {unit}".strip() for name, unit, _ in self.columns]
        rows = {name: dict(zip(names, values)) for name, values in self.rows}
        found = {"title": self.title, "rows": rows, "samples": self.samples, "notes": self.notes}
        return {**found, "verbatim": self.verbatim} if self.verbatim else found


def cell(value, ours, better, is_ours):
    if value is None:
        return "–"
    text = number(value)
    if is_ours or better is None or not value or not ours:
        return text
    return f"{text} ({number(value / ours if better == 'low' else ours / value)}x)"


def number(value):
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def machine():
    with open("/proc/meminfo") as file:
        memory_gib = int(file.readline().split()[1]) / 1024 / 1024
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown CPU")
    with open("/etc/os-release") as file:
        system = next(line.split("=", 1)[1].strip().strip('"') for line in file if line.startswith("PRETTY_NAME"))
    cgroups = "cgroup v1" if os.path.isdir("/sys/fs/cgroup/memory") else "cgroup v2"
    return (
        f"{os.cpu_count()} CPUs ({model}), {memory_gib:.0f} GiB, {system}, "
        f"Linux {platform.release().split('-')[0]}, {cgroups}"
    )


def write(directory, tables, failed, arguments):
    directory.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now(datetime.timezone.utc)
    command = " ".join(["benches/run", *map(shlex.quote, arguments)])
    load = os.getloadavg()[0]
    head = (
        f"{now:%Y-%m-%d %H:%M} UTC · {machine()} · load at the end {load:.1f} · `{command}`\n\n"
        "(n x) beside a peer's figure: Neargate is n times better; below 1 it is worse.\n"
    )
    if failed:
        head += f"\nFailed: {', '.join(failed)}.\n"
    (directory / "bench.md").write_text(head + "\n" + "\n".join(t.markdown() for t in tables))
    data = {"date": now.isoformat(), "machine": machine(), "command": command, "failed": failed}
    data["tables"] = [t.data() for t in tables]
    (directory / "bench.json").write_text(json.dumps(data, indent=1))
    return directory / "bench.md"


def publish(written, readme):
    """Replaces what follows the README's last heading of its own."""
    kept = readme.read_text().split(MARK)[0]
    readme.write_text(kept + MARK + "\n\n" + written.read_text())

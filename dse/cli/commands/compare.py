"""`dse compare`: what an explored front gains over the policies of the field."""

from __future__ import annotations

import csv
import json
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from dse.baselines.document import document, flat
from dse.cli.tables import plain_table
from dse.cli.terminal import Terminal
from dse.output import open_explored
from dse.session import gains_over_baselines


def main(arguments: Namespace) -> int:
    """Realise every policy again on the explored task, and hold the whole front against it."""
    gains = document(gains_over_baselines(open_explored(arguments.directory)))
    rows = gains["baselines"]
    terminal = Terminal.of()
    if arguments.format == "json":
        terminal.say(json.dumps(gains, indent=1))
    elif arguments.format == "csv":
        writer = csv.DictWriter(sys.stdout, list(flat(rows[0])), lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(flat, rows))
    else:
        terminal.table(gain_table(rows))
        for line in remarks(rows):
            terminal.say(line)
    return 0


def gain_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Figures of every policy; what the front reaches in no more memory, and with how little memory."""
    front = [cell for what in ("ms", "uJ", "B") for cell in (f"front {what}", "gain")]
    columns = ("baseline", "latency ms", "energy uJ", "memory B", *front, "nowhere worse")
    table = plain_table(*columns, left=("baseline", "nowhere worse"))
    for row in rows:
        if not row["feasible"]:
            table.add_row(row["name"], *["-"] * 9, "no deployment")
            continue
        own = (f"{row['latency_ms']:.4g}", f"{row['energy_uj']:.4g}", str(row["memory_bytes"]))
        covered = row["smallest"]["id"] if row["covered"] else "none"
        pairs = (("quickest", "latency"), ("thriftiest", "energy"), ("smallest", "memory"))
        cells = [cell for who, what in pairs for cell in _cells(row, who, what)]
        table.add_row(row["name"], *own, *cells, covered, style=None if row["covered"] else "bold red")
    return table


def _cells(row: Mapping[str, Any], who: str, what: str) -> tuple[str, str]:
    """The front's figure, with another operating point where it needs one, and the ratio."""
    point, ratio = row[who], row["gain"][what]
    if point is None or ratio is None:
        return "-", "-"
    value = {
        "latency": f"{point['latency_ms']:.4g}",
        "energy": f"{point['energy_uj']:.4g}",
        "memory": str(point["memory_bytes"]),
    }[what]
    other = point["operating_point"] != row["operating_point"]
    return value + (f" ({point['operating_point']})" if other else ""), f"{ratio:.2f}x"


def remarks(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What the policies are, why some have no deployment, and what the columns mean."""
    missing = [f"{row['name']}: {row['why']}" for row in rows if not row["feasible"]]
    uncovered = [row["name"] for row in rows if row["covered"] is False]
    told = [f"no point of the front is as good as: {', '.join(uncovered)}; give the search more trials"]
    return (
        "",
        *(f"{row['name']}: {row['what']} ({row['source']})" for row in rows),
        "front ms, uJ: its best in no more memory; front B: its least at no more latency and energy",
        *(f"no deployment of {line}" for line in missing),
        *(told if uncovered else ()),
    )

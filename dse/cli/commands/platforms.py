"""`dse platforms`: what is modelled, with the source of every number."""

from __future__ import annotations

import json
from argparse import Namespace
from collections import Counter
from typing import Any

from costmodels.platform import Platform, load_platform, platform_names
from dse.cli.tables import facts_table, platforms_table
from dse.cli.terminal import Terminal


def main(arguments: Namespace) -> int:
    """List all platforms, or every fact of one."""
    terminal = Terminal.of()
    names = (arguments.name,) if arguments.name else platform_names()
    platforms = [load_platform(name) for name in names]
    if arguments.format == "json":
        terminal.say(json.dumps([_document(platform) for platform in platforms]))
    elif arguments.name:
        _print(platforms[0], terminal)
    else:
        terminal.table(platforms_table(platforms))
    return 0


def _print(platform: Platform, terminal: Terminal) -> None:
    terminal.say(f"{platform.name}: {platform.description}")
    terminal.say("")
    terminal.table(facts_table(platform))
    terminal.say("")
    counts = Counter(fact.how for fact in platform.facts)
    terminal.say("how known: " + ", ".join(f"{count} {how}" for how, count in counts.most_common()))


def _document(platform: Platform) -> dict[str, Any]:
    return {
        "name": platform.name,
        "description": platform.description,
        "facts": [
            {"key": fact.key, "value": fact.value, "how": fact.how, "source": fact.source}
            for fact in platform.facts
        ],
    }

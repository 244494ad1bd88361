"""New facts in the text of a platform file, everything else as it was."""

from __future__ import annotations

import re
from collections.abc import Mapping

from costmodels.errors import PlatformError
from costmodels.facts import Fact

_TABLE = re.compile(r"\[([\w.]+)\]\s*(#.*)?$")
_KEY = re.compile(r"(\w+)\s*=")


def with_facts(text: str, file: str, facts: Mapping[str, Fact]) -> str:
    """The text with these facts (by dotted key) in place of the ones that it has, which stand on a line each.

    Raises PlatformError for a key that has no line of its own in the file.
    """
    left, table, lines = dict(facts), "", []
    for line in text.splitlines():
        header, key = _TABLE.match(line), _KEY.match(line)
        table = header[1] if header else table
        name = f"{table}.{key[1]}" if key else ""
        fact = left.pop(name, None)
        lines.append(line if fact is None else f"{name.rpartition('.')[2]} = {_inline(fact)}")
    if left:
        raise PlatformError(file, next(iter(left)), "missing", "calibration puts values where there are some")
    return "\n".join(lines) + "\n"


def _inline(fact: Fact) -> str:
    source = fact.source.replace("\\", "\\\\").replace('"', '\\"')
    return f'{{ value = {fact.value}, how = "{fact.how}", source = "{source}" }}'

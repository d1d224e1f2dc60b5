"""What is held about one person as a page to be read: plain HTML that needs nothing but itself."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import msgspec

from .subject import Held

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc } table { border-collapse: collapse; margin: 0 0 1.5rem }
th { text-align: left; font-weight: 600; padding-right: 1.5rem; vertical-align: top; white-space: nowrap; color: #555 }
td { overflow-wrap: anywhere; white-space: pre-wrap } h3 { font-size: 1rem; margin: 1.5rem 0 .25rem }
"""


def page(found: Held) -> str:
    """The page."""
    told = msgspec.to_builtins(found)
    head = {
        "Customer": told["customer_id"],
        "Merged with": told["customers"][1:],
        "Made": told["exported_at"],
        "As the ledger stood at": told["position"],
        "Entries": len(told["entries"]),
    }
    parts = [
        "<h1>What is held about you</h1>",
        "<p>Everything recorded about one person: first what is known of them now, then every entry as it was made."
        " A text that is another person's is not shown.</p>",
        _table(head),
    ]
    for name, rows in told["books"].items():
        parts.append(f"<h2>{_words(name)}</h2>")
        parts += [_table(row) for row in rows]
    parts.append("<h2>Entries</h2>")
    for entry in told["entries"]:
        says = entry.pop("says")
        parts += [f"<h3>{entry.pop('position')} · {escape(entry.pop('type'))}</h3>", _table(entry | says)]
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>What is held about you</title>'
        f"<style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _table(values: Mapping[str, Any]) -> str:
    """The values that are there, one to a line."""
    rows = (f"<tr><th>{_words(name)}</th><td>{_shown(value)}</td></tr>" for name, value in values.items() if _is(value))
    return f"<table>{''.join(rows)}</table>"


def _is(value: Any) -> bool:
    return value not in (None, [], {})


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return _table(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "<br>".join(map(_shown, value))
    return escape({True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value))


def _words(name: str) -> str:
    return escape(name.replace("_", " ").capitalize())

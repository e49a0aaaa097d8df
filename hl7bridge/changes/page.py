"""A comparison as one HTML file that needs nothing beside it: it can be attached to a change, and opened years later.

Raises nothing.
"""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import Final

from hl7bridge.changes.result import Line, Result
from hl7bridge.words import counted

_STYLE: Final = """
:root { color-scheme: light dark;
  --line: #d0d4da; --soft: #667; --bad: #b3261e; --good: #1a7f37; --bar: #5b8def; --back: #fff; --ink: #1a1d21 }
@media (prefers-color-scheme: dark) { :root {
  --line: #3a3f47; --soft: #9aa3b0; --bad: #ff8a80; --good: #7ee08f; --back: #16181c; --ink: #e6e8eb } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2.5rem auto; max-width: 72rem; padding: 0 1.5rem;
  background: var(--back); color: var(--ink) }
h1 { font-size: 1.5rem; margin: 0 0 .25rem } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem }
p { margin: .25rem 0 } .soft { color: var(--soft) } .verdict { font-size: 1.1rem; margin: 1rem 0 }
.bad { color: var(--bad) } .good { color: var(--good) }
table { border-collapse: collapse; width: 100% } th { text-align: left; font-weight: 600; color: var(--soft); font-size: .85rem }
th, td { border-bottom: 1px solid var(--line); padding: .45rem .8rem .45rem 0; vertical-align: top }
td.count { white-space: nowrap; text-align: right; font-variant-numeric: tabular-nums } th.count { text-align: right }
td.examples { color: var(--soft); font-variant-numeric: tabular-nums } .name { color: var(--soft); display: block; font-size: .88rem }
.bar { display: block; height: 4px; border-radius: 2px; background: var(--bar); margin: .3rem 0 0 auto }
code { font: 13px/1.4 ui-monospace, monospace; overflow-wrap: anywhere }
del { color: var(--bad); text-decoration: none } ins { color: var(--good); text-decoration: none }
tr.accepted td { opacity: .55 }
"""


def page(result: Result, made: datetime, *, values: bool = False) -> str:
    """The page; `values` shows what stood in the first message that each difference was found in."""
    unexpected = result.unexpected
    if not result.messages:
        verdict = "<p class='verdict'>No message is like this: nothing was compared.</p>"
    elif unexpected:
        verdict = f"<p class='verdict bad'>{counted(unexpected, 'difference')} beyond what was accepted</p>"
    else:
        verdict = "<p class='verdict good'>Nothing differs but what was accepted</p>"
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>",
        f"<title>{escape(result.old)} and {escape(result.new)}</title><style>{_STYLE}</style>",
        f"<h1>{escape(result.old)} <span class='soft'>and</span> {escape(result.new)}</h1>",
        f"<p class='soft'>Stored messages decided under both by hl7bridge, {made:%Y-%m-%d %H:%M %Z}</p>",
        verdict,
        f"<p>{escape(result.sentence())}.</p>",
    ]
    for title, lines in (
        ("Fails, or no longer leaves", [each for each in result.lines if each.harms and not each.expected]),
        ("Otherwise", [each for each in result.lines if not each.harms and not each.expected]),
        ("Accepted", [each for each in result.lines if each.expected]),
    ):
        if lines:
            parts += [f"<h2>{title}</h2>", _table(lines, values)]
    return "\n".join(parts) + "\n"


def _table(lines: list[Line], values: bool) -> str:
    head = "<th class='count'>messages</th><th>of</th><th>what</th>"
    head += "<th>in the first of them</th>" * values + "<th>for example</th>"
    return f"<table><tr>{head}</tr>" + "".join(_row(line, values) for line in lines) + "</table>"


def _row(line: Line, values: bool) -> str:
    width = max(2, round(120 * line.count / max(line.total, 1)))
    name = f"<span class='name'>{escape(line.name)}</span>" if line.name else ""
    name += f"<span class='bad'>{escape(line.accepted)}</span>" if line.accepted else ""
    shown = ""
    if values:
        before = f"<del><code>{escape(line.before)}</code></del>" if line.before else ""
        after = f"<ins><code>{escape(line.after)}</code></ins>" if line.after else ""
        shown = f"<td>{before}{' &rarr; ' if before and after else ''}{after}</td>"
    examples = ", ".join(map(str, line.examples))
    return (
        f"<tr class='{'accepted' * line.expected}'><td class='count'>{line.share}"
        f"<span class='bar' style='width:{width}px'></span></td><td>{escape(line.of)}</td>"
        f"<td>{escape(line.what)}{name}</td>{shown}<td class='examples'>{examples}</td></tr>"
    )

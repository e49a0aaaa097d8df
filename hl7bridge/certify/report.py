"""What a certification found: for JSON, and as one HTML page with room for two signatures.

Raises nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from html import escape
from typing import Any, Final, NamedTuple

from hl7bridge.words import counted


class Verdict(StrEnum):
    """What a check came to."""

    PASSED = "passed"
    FAILED = "failed"
    NOTED = "noted"  # neither right nor wrong: both sides must know it
    SKIPPED = "not done"


class Check(NamedTuple):
    """One check: what was done, what it came to, and what was seen."""

    name: str
    verdict: Verdict
    seen: str
    took_s: float | None = None


def failed(checks: Sequence[Check]) -> int:
    """How many failed."""
    return sum(check.verdict is Verdict.FAILED for check in checks)


def undone(checks: Sequence[Check]) -> int:
    """How many were not done: of what they are about nothing is known, so the whole has not passed."""
    return sum(check.verdict is Verdict.SKIPPED for check in checks)


def plain(title: str, about: dict[str, str], checks: Sequence[Check], made: datetime) -> dict[str, Any]:
    """For JSON."""
    return {
        "title": title,
        "made": made.isoformat(timespec="seconds"),
        **about,
        "passed": not failed(checks) and not undone(checks),
        "checks": [
            {
                "name": check.name,
                "verdict": check.verdict.value,
                "seen": check.seen,
                **({} if check.took_s is None else {"milliseconds": round(check.took_s * 1000, 1)}),
            }
            for check in checks
        ],
    }


_STYLE: Final = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1.5rem; color: #1a1d21 }
h1 { font-size: 1.4rem; margin: 0 0 .25rem } .soft { color: #667 } p { margin: .2rem 0 }
table { border-collapse: collapse; width: 100%; margin: 1.2rem 0 } th { text-align: left; color: #667; font-size: .85rem }
th, td { border-bottom: 1px solid #d0d4da; padding: .4rem .8rem .4rem 0; vertical-align: top }
td.took { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
.passed { color: #1a7f37 } .failed { color: #b3261e; font-weight: 600 } .noted { color: #8a5a00 }
.sign { display: grid; grid-template-columns: 1fr 1fr; gap: 3rem; margin-top: 3rem; page-break-inside: avoid }
.sign div { border-top: 1px solid #1a1d21; padding-top: .3rem }
"""


def page(
    title: str, about: dict[str, str], checks: Sequence[Check], made: datetime, sides: tuple[str, str]
) -> str:
    """The page; `sides` are the two that sign it."""
    if failed(checks):
        verdict = "<p class='failed'>Not passed</p>"
    elif left := undone(checks):
        verdict = f"<p class='noted'>Not complete: {counted(left, 'check')} not done</p>"
    else:
        verdict = "<p class='passed'>Passed</p>"
    rows = "".join(
        f"<tr><td>{escape(check.name)}</td><td class='{check.verdict.value.replace(' ', '')}'>{check.verdict.value}</td>"
        f"<td>{escape(check.seen)}</td><td class='took'>{_took(check)}</td></tr>"
        for check in checks
    )
    facts = "".join(f"<p>{escape(key)}: {escape(value)}</p>" for key, value in about.items())
    signs = "".join(
        f"<div>{escape(side)}<br><span class='soft'>name, date, signature</span></div>" for side in sides
    )
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>"
        f"<p class='soft'>{made:%Y-%m-%d %H:%M %Z}, by hl7bridge; every message bore MSH-11 = T and a made-up patient</p>"
        f"{facts}{verdict}<table><tr><th>check</th><th>result</th><th>seen</th><th></th></tr>{rows}</table>"
        f"<div class='sign'>{signs}</div></html>\n"
    )


def _took(check: Check) -> str:
    return "" if check.took_s is None else f"{check.took_s * 1000:,.0f} ms"

"""What the demo shows: a screen that changes while it runs, and tables at its end. Knows rich and a site."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hl7bridge.store.base import DeliveryStatus
from hl7bridge.testing.account import Account, DestinationAccount
from hl7bridge.testing.site import Site

_EVENTS = 5


def screen(site: Site, heading: str) -> RenderableType:
    """The site as it stands."""
    head = Text.assemble((heading, "bold"), (f"   {site.elapsed_s:4.1f} s", "dim"))
    return Group(head, Text(), _feeds(site), Text(), _destinations(site), _events(site))


def line(site: Site) -> str:
    """The same in one line, for a log."""
    answered = sum(each.answered for each in site.progress.values())
    waiting = ", ".join(f"{name} {count:,}" for name, count in sorted(site.stats.open.items())) or "nothing"
    done = f"{answered:,} of {site.traffic.count:,} messages answered"
    return f"{site.elapsed_s:5.1f} s  {done}; waiting: {waiting}"


def _feeds(site: Site) -> Table:
    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    drawn.add_column(min_width=14)
    drawn.add_column(width=30)
    drawn.add_column(justify="right", min_width=14)
    drawn.add_column()
    for name, each in site.progress.items():
        answers = Text("  ").join(
            Text(f"{code} {count:,}", style="green" if code == "AA" else "yellow")
            for code, count in sorted(each.answers.items())
        )
        bar = ProgressBar(each.total, each.answered, width=30)
        drawn.add_row(name, bar, f"{each.answered:,} of {each.total:,}", answers)
    return drawn


def _destinations(site: Site) -> Table:
    drawn = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    drawn.add_column("destination")
    drawn.add_column("how it behaves", min_width=24, style="dim")
    for name in ("sent", "waiting", "retried", "refused", "it got"):
        drawn.add_column(name, justify="right", min_width=len("1,000"))
    counts, opened = site.stats.deliveries, site.stats.open
    for settings in site.destinations:
        name = settings.name
        waiting = Text(f"{opened.get(name, 0):,}", style="yellow" if opened.get(name, 0) > 20 else "")
        sent = f"{counts.get((name, DeliveryStatus.SENT), 0):,}"
        each = site.receivers.get(name)
        if each is None:
            drawn.add_row(name, "writes files", sent, waiting)
            continue
        drawn.add_row(
            name,
            Text("DOWN", style="bold red") if each.down else each.manner,
            sent,
            waiting,
            f"{each.again:,}",
            Text(f"{len(each.refused):,}", style="red" if each.refused else ""),
            Text(f"{each.got:,}", style="green"),
        )
    return drawn


def _events(site: Site) -> RenderableType:
    lines = [Text(f"{at:5.1f} s  {text}") for at, text in site.events[-_EVENTS:]]
    return Padding(Group(*lines), (0, 0, 0, 0)) if lines else Text()


def _table(title: str) -> Table:
    return Table(
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        title=title,
        title_justify="left",
        title_style="bold",
    )


def feeds_table(account: Account) -> Table:
    """What was sent and answered, and what the engine made of it."""
    drawn = _table("Received: the feeds' answers, and the engine's store")
    drawn.add_column("feed")
    statuses = [
        each
        for each in ("RECEIVED", "FILTERED", "DUPLICATE", "REJECTED", "ERROR")
        if any(each in feed.kept for feed in account.feeds)
    ]
    codes = sorted({"AA", "AR"} | {code for feed in account.feeds for code in feed.answers})
    for name in ("sent", *codes, *(each.lower() for each in statuses)):
        drawn.add_column(name, justify="right", min_width=5)
    for feed in account.feeds:
        drawn.add_row(
            feed.name,
            f"{feed.sent:,}",
            *(f"{feed.answers.get(code, 0):,}" for code in codes),
            *(f"{feed.kept.get(each, 0):,}" for each in statuses),
        )
    return drawn


def destinations_table(account: Account) -> Table:
    """What each was meant to get, and whether it says the same of what it got."""
    drawn = _table("Delivered: the engine's store, and the hospitals' own count")
    drawn.add_column("destination")
    for name in ("for it", "delivered", "retried", "refused", "kept back", "it got", "agree?"):
        drawn.add_column(name, justify="right")
    for each in account.destinations:
        drawn.add_row(
            each.name,
            f"{each.decided:,}",
            f"{each.sent:,}",
            f"{each.retried:,}",
            Text(f"{each.refused:,}", style="red" if each.refused else ""),
            f"{each.cancelled:,}",
            "" if each.got is None else f"{each.got:,}",
            _agreement(each),
        )
    return drawn


#: What the words of both tables mean.
LEGEND = """filtered: test patients, ward orders   duplicate: sent twice, processed once
rejected: a type no channel takes      refused: AR, waits for an operator
retried: put off, or cut by an outage  kept back: training messages, and
                                         documents of what is withheld"""


def _agreement(each: DestinationAccount) -> Text:
    wrong = [
        f"{count:,} {word}"
        for count, word in (
            (each.missing, "missing"),
            (each.unexpected, "unexpected"),
            (each.reordered, "out of order"),
            (each.unmarked, "twice unmarked"),
            (each.waiting, "waiting"),
        )
        if count
    ]
    return Text(", ".join(wrong), style="bold red") if wrong else Text("yes", style="green")

"""generate: a synthetic feed in files or on standard output, from a seed."""

from __future__ import annotations

import csv
import gc
import json
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from io import BufferedWriter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hl7bridge.cli.options import echo_json, json_option
from hl7bridge.errors import HL7BridgeError
from hl7bridge.words import counted

if TYPE_CHECKING:
    from hl7bridge.testing.synthetic import Sent


@click.command()
@click.option(
    "--seed",
    default=1,
    show_default=True,
    type=click.IntRange(0, 2**64 - 1),
    help="Another seed, other people and lives.",
)
@click.option(
    "--patients",
    default=100,
    show_default=True,
    type=click.IntRange(1, 10_000_000),
    help="How many people there are.",
)
@click.option(
    "--days", default=30, show_default=True, type=click.IntRange(1, 36_500), help="How long it goes on."
)
@click.option(
    "--from",
    "start",
    default="2026-01-01",
    show_default=True,
    type=click.DateTime(["%Y-%m-%d"]),
    help="The first day.",
)
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="An empty or new folder: SOURCE/DATE.hl7 for each source of channels/, rosters/AFFILIATE.csv. Else standard output.",
)
@click.option(
    "--dialect",
    "dialects",
    multiple=True,
    metavar="NAME",
    help="Only this dialect of the pharmacies (may be repeated); all of them without.",
)
@json_option
def generate(
    seed: int,
    patients: int,
    days: int,
    start: datetime,
    folder: Path | None,
    dialects: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make up a feed: patients who exist nowhere, their prescriptions, fills, pick-ups, visits and stays, as HL7 messages.

    The same seed gives the same bytes; more days go on where fewer end. In the order of sending: 1 % of the messages are
    late by hours or days, 2 % out of order by minutes or hours, 1 % sent twice, 0.5 % told again under a new control ID.
    """
    from hl7bridge.testing.synthetic import generate as messages

    first = start.date()
    if not 1990 <= first.year < 2200:
        raise click.BadParameter("a day from 1990 to 2199, please", param_hint="--from")
    counts: Counter[str] = Counter()
    gc.disable()  # lives hold no cycles, and looking for some among a hundred thousand of them costs a third of the time
    try:
        made = _counted(messages(seed, patients, days, start=first, dialects=dialects), counts)
        if folder is None:
            for sent in made:
                sys.stdout.buffer.write(sent.raw)
            sys.stdout.buffer.flush()
        else:
            _write(folder, made)
            _write_rosters(folder / "rosters", seed, patients, first)
    except BrokenPipeError:
        raise
    except OSError as fault:
        reason = fault.strerror or type(fault).__name__
        raise HL7BridgeError(
            f"cannot be written: {reason}", code="cannot-write", place=str(folder or "standard output")
        ) from None
    finally:
        gc.enable()
    summary = {"messages": counts.total(), "sources": dict(sorted(counts.items()))}
    if as_json and folder is not None:
        echo_json(summary)
    elif as_json:
        click.echo(json.dumps(summary), err=True)  # the messages have standard output for themselves
    else:
        said = ", ".join(f"{count:,} {source}" for source, count in sorted(counts.items()))
        click.echo(f"{counted(counts.total(), 'message')}: {said}", err=True)


def _counted(made: Iterator[Sent], counts: Counter[str]) -> Iterator[Sent]:
    for sent in made:
        counts[sent.source] += 1
        yield sent


def _write(folder: Path, made: Iterator[Sent]) -> None:
    """A file for each source and day of sending (UTC); only today's are open. Raises HL7BridgeError where something is in the way."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise HL7BridgeError(
            "the folder is not empty", code="folder-not-empty", place=str(folder), hint="name a new one"
        )
    day: date | None = None
    files: dict[str, BufferedWriter] = {}
    try:
        for sent in made:
            today = sent.sent.date()
            if today != day:
                day = today
                for file in files.values():
                    file.close()
                files = {}
            if sent.source not in files:
                path = folder / sent.source / f"{today}.hl7"
                path.parent.mkdir(exist_ok=True)
                files[sent.source] = path.open("wb")
            files[sent.source].write(sent.raw)
    finally:
        for file in files.values():
            file.close()


def _write_rosters(folder: Path, seed: int, patients: int, start: date) -> None:
    """The rosters of these people, in the form that affiliates of channels/ read."""
    from hl7bridge.testing.synthetic import roster

    folder.mkdir()
    rows: dict[str, list[tuple[str, ...]]] = {}
    for affiliate, entry in roster(seed, patients, start=start):
        texts = (entry.id, entry.authority, entry.type)
        days = (str(each or "") for each in (entry.valid_from, entry.valid_through))
        rows.setdefault(affiliate, []).append(
            (*(each.decode() for each in texts), *days, entry.npi or "", "")
        )
    for affiliate, found in rows.items():
        with (folder / f"{affiliate}.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("id", "authority", "type", "from", "through", "npi", "opt_out"))
            table.writerows(found)

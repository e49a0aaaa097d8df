"""report."""

from __future__ import annotations

import calendar
from datetime import date, datetime
from pathlib import Path

import click

from hl7bridge.cli.options import data_option, echo_json, json_option, tell_view, unrecorded_option
from hl7bridge.operations import Operations

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.argument("affiliate")
@data_option
@click.option(
    "--month", type=click.DateTime(["%Y-%m"]), help="The month, as 2026-10; the last whole one if left out."
)
@click.option("--from", "begin", type=_DAY, help="Instead of a month: the first day.")
@click.option("--through", type=_DAY, help="The last day, inclusive.")
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    help="The folder to make; AFFILIATE-FROM-THROUGH in this one if left out.",
)
@click.option("--csv", "csv", is_flag=True, help="Only the CSV files.")
@click.option("--pdf", "pdf", is_flag=True, help="Only the PDF.")
@unrecorded_option
@json_option
def report(
    affiliate: str,
    data: Path,
    month: datetime | None,
    begin: datetime | None,
    through: datetime | None,
    to: Path | None,
    csv: bool,
    pdf: bool,
    unrecorded: bool,
    as_json: bool,
) -> None:
    """Write the report of AFFILIATE for a period: alerts, adherence and a summary, as CSV files and a PDF.

    It holds what the affiliate is entitled to, of the patients on its roster. That it was made is in the audit trail; what is in it
    leaves when you pass it on. The period is in the calendar of the programme; one that has not ended is reported up to today.
    """
    first, last = _period(month, begin, through)
    to = to or Path(f"{affiliate}-{first.isoformat()}-{last.isoformat()}")
    with Operations(data) as operations:
        words = f"report {affiliate} {first.isoformat()} to {last.isoformat()}"
        tell_view(operations, words, unrecorded=unrecorded)
        made = operations.report(affiliate, first, last, to, csv=csv or not pdf, pdf=pdf or not csv)
    if as_json:
        echo_json(made)
        return
    click.echo(f"{made.to}: {affiliate}, {made.begin} to {made.through}")
    click.echo(f"{made.patients:,} of {made.listed:,} patients on the roster are in it")
    for section, count in made.lines.items():
        click.echo(f"  {section}: {count:,}")
    if made.held:
        click.echo(f"held for a person, and not in it: {made.held:,}", err=True)


def _period(month: datetime | None, begin: datetime | None, through: datetime | None) -> tuple[date, date]:
    if month is not None and (begin or through):
        raise click.UsageError("either --month, or --from and --through")
    if begin is not None and through is not None:
        return begin.date(), through.date()
    if begin or through:
        raise click.UsageError("--from and --through go together")
    if month is None:
        now = datetime.now()
        year, number = (now.year, now.month - 1) if now.month > 1 else (now.year - 1, 12)
    else:
        year, number = month.year, month.month
    return date(year, number, 1), date(year, number, calendar.monthrange(year, number)[1])

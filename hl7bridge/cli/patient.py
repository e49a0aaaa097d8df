"""patient."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from hl7bridge.cli.options import data_option, echo_json, json_option, tell_view, unrecorded_option
from hl7bridge.cli.tables import table
from hl7bridge.operations import Operations


@click.command()
@click.argument("patient")
@data_option
@click.option("--on", type=click.DateTime(["%Y-%m-%d"]), help="As it stands on this day; today if left out.")
@unrecorded_option
@json_option
def patient(patient: str, data: Path, on: datetime | None, unrecorded: bool, as_json: bool) -> None:
    """Show what is known of PATIENT (NUMBER^AUTHORITY): prescriptions, fills, adherence, and the alerts that hold.

    It is worked out of the facts that messages told, under all numbers of the patient. Alerts are shown, not sent.
    """
    day = on.date() if on is not None else date.today()
    with Operations(data) as operations:
        key = operations.patient_key(patient)
        tell_view(operations, "patient", patients=[key], unrecorded=unrecorded)
        found, chart = operations.chart(patient, day)
    if as_json:
        echo_json({"identifiers": len(found.keys), "chart": chart})
        return
    count = len(found.keys)
    click.echo(f"{count} identifier{'s' if count != 1 else ''}; as of {day.isoformat()}")
    if chart.held is not None:
        click.echo(f"held for a person: {chart.held}; nothing is concluded until that is settled")
    table(
        ["prescription", "store", "medicine", "ordered", "ended", "refills"],
        [
            [p.key.number, p.key.store, p.medicine.text, _day(p.ordered), _day(p.ended), p.refills]
            for p in chart.prescriptions
        ],
        title="prescriptions",
    )
    table(
        ["prescription", "fill", "filled", "sold", "returned", "days"],
        [
            [
                f.key.prescription.number,
                f.key.number + (f" of {f.key.part.isoformat()}" if f.key.part else ""),
                _day(f.filled),
                _day(f.sold) if f.knows_sold or f.sold else "not told",
                _day(f.returned),
                "unknown" if f.days_supply is None else f.days_supply,
            ]
            for f in chart.fills
        ],
        title="fills",
    )
    if chart.adherence:
        table(
            ["class", "days covered", "of", "percent", "threshold", "not counted because"],
            [
                [a.class_, a.covered, a.days, str(a.percent or ""), f"{a.threshold} %", a.reason]
                for a in chart.adherence
            ],
            title=f"days covered in {day.year}",
        )
    if chart.alerts:
        table(
            ["alert", "since", "because"],
            [[a.kind.value, _day(a.day), a.reason] for a in chart.alerts],
            title="alerts that hold",
        )
    elif chart.held is None:
        click.echo("no alert holds")
    if chart.held is None:
        _screening(chart)


def _screening(chart: Any) -> None:
    """By which list interactions were screened, and what was not: no word about it would be read as none."""
    click.echo(f"interactions are screened by {chart.screened_by}; it is not complete")
    count = len(chart.not_screened)
    if count:
        click.echo(
            f"not screened, since tables/medicines.csv does not hold {'it' if count == 1 else 'them'}: {count}"
        )
        table(
            ["code", "system", "medicine"],
            [[each.code, each.system, each.text] for each in chart.not_screened],
            title="active medicines not screened",
        )
    if chart.list_leaves_out:
        click.echo(f"not screened, since the list leaves it out: {'; '.join(chart.list_leaves_out)}")


def _day(day: date | None) -> str:
    return "" if day is None else day.isoformat()

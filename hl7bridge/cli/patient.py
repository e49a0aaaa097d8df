"""patient: show, held, settle, unmerge."""

from __future__ import annotations

import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from hl7bridge.cli.options import data_option, echo_json, json_option, tell_view, unrecorded_option
from hl7bridge.cli.tables import table
from hl7bridge.cli.times import At, zoned
from hl7bridge.operations import Operations
from hl7bridge.store.base import DeliveryStatus
from hl7bridge.words import counted


class Patients(click.Group):
    """Verbs, and before them all a patient: what is no verb is one to be shown."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(cls=Patients)
def patient() -> None:
    """Show a patient (hl7bridge patient NUMBER^AUTHORITY), and settle who is who."""


@patient.command()
@click.argument("patient")
@data_option
@click.option("--on", type=click.DateTime(["%Y-%m-%d"]), help="As it stands on this day; today if left out.")
@unrecorded_option
@json_option
def show(patient: str, data: Path, on: datetime | None, unrecorded: bool, as_json: bool) -> None:
    """Show what is known of PATIENT (NUMBER^AUTHORITY): prescriptions, fills, adherence, and the alerts that hold.

    It is worked out of the facts that messages told, under all numbers of the patient. Alerts are shown, not sent, by
    the thresholds that hold where an affiliate says nothing else (`alerts:`). `show` may be left out.
    """
    day = on.date() if on is not None else date.today()
    with Operations(data) as operations:
        key = operations.patient_key(patient)
        tell_view(operations, "patient", patients=[key], unrecorded=unrecorded)
        found, chart = operations.chart(patient, day)
    if as_json:
        echo_json({"identifiers": len(found.keys), "chart": chart})
        return
    click.echo(f"{counted(len(found.keys), 'identifier')}; as of {day.isoformat()}")
    if chart.held is not None:
        click.echo(
            f"held for a person: {chart.held}; nothing is concluded until that is settled "
            "(hl7bridge patient held, patient settle)"
        )
    table(
        ["prescription", "store", "medicine", "ordered", "ended", "refills"],
        [
            [p.key.number, p.key.store, p.medicine.text, _day(p.ordered), _day(p.ended), p.refills]
            for p in chart.prescriptions
        ],
        title="prescriptions",
        none="no prescription is known",
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
        none="no fill is known",
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


# -- who is who --------------------------------------------------------------------------------------------------------------


@patient.command()
@data_option
@click.option(
    "--limit", type=click.IntRange(0), default=50, show_default=True, help="The most patients; 0 for all."
)
@unrecorded_option
@json_option
def held(data: Path, limit: int, unrecorded: bool, as_json: bool) -> None:
    """List patients of whom nothing is concluded until a person settles who they are: since when, why, and who said what.

    The engine notes them when it looks at patients, which needs a channel with `source: programme`. Exit status 1 if there are any.
    """
    found = False
    with Operations(data) as operations:
        tell_view(operations, "patient held", unrecorded=unrecorded)
        for each in operations.unsettled(limit or None):
            found = True
            if as_json:
                echo_json(each)
                continue
            click.echo(f"held since {zoned(each.since_us)}: {each.held}")
            table(
                ["number", "name", "born", "sex", "message"],
                [
                    [" ".join(who.numbers), who.name, _day(who.born), who.sex, str(who.message_id)]
                    for who in each.said
                ],
            )
    if not found and not as_json:
        click.echo("nobody is held for a person")
    if found:
        raise SystemExit(1)


@patient.command()
@click.argument("number")
@click.option(
    "--same", metavar="NUMBER^AUTHORITY", help="They are one patient, whatever messages contradict."
)
@click.option("--apart", metavar="NUMBER^AUTHORITY", help="They are two, whatever messages say together.")
@click.option("--because", default="", help="The reason, kept with your name.")
@data_option
@json_option
def settle(number: str, same: str | None, apart: str | None, because: str, data: Path, as_json: bool) -> None:
    """Settle whether NUMBER (NUMBER^AUTHORITY) and another are one patient.

    With --same and the same number again: that number is one person's, although messages contradict each other. What a later message
    contradicts anew is held anew. The last word counts.
    """
    if (same is None) == (apart is None):
        raise click.UsageError("say either --same NUMBER^AUTHORITY or --apart NUMBER^AUTHORITY")
    with Operations(data) as operations:
        one, other = operations.patient_key(number), operations.patient_key(same or apart or "")
        result = operations.done("settle", one=one, other=other, same=same is not None, because=because)
    _settled(result, as_json, "one patient" if same is not None else "two patients")


@patient.command()
@click.argument("old")
@click.argument("surviving")
@click.option("--because", required=True, help="The reason, kept with your name.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_option
@unrecorded_option
@json_option
def unmerge(
    old: str, surviving: str, because: str, yes: bool, data: Path, unrecorded: bool, as_json: bool
) -> None:
    """Undo a merge: part the numbers OLD and SURVIVING (NUMBER^AUTHORITY each).

    Shows first what affiliates were sent under either number since the merge. Alerts that were told of the wrong patient are then
    taken back as such (OBX-11 = W), and told anew of the right one.
    """
    with Operations(data) as operations:
        one, other = operations.patient_key(old), operations.patient_key(surviving)
        tell_view(operations, "patient unmerge", patients=[one, other], unrecorded=unrecorded)
        disclosed = operations.disclosed(one, other)
        if as_json:
            for each in disclosed:
                echo_json(each)
        else:
            click.echo(f"sent to affiliates under either number since the merge: {len(disclosed)}")
            if disclosed:
                table(
                    ["time", "destination", "message", "type", "under", "status"],
                    [
                        [
                            At(each.at_us),
                            each.destination,
                            str(each.message_id),
                            each.type,
                            old if each.under_old else surviving,
                            each.status.name if each.status is DeliveryStatus.SENT else "may have arrived",
                        ]
                        for each in disclosed
                    ],
                )
        if not yes:
            if not sys.stdin.isatty():
                raise click.UsageError("this parts two patients: --yes says so without being asked")
            click.confirm("part the two numbers?", abort=True, err=True)
        result = operations.done("unmerge", old=one, surviving=other, because=because)
    _settled(result, as_json, "two patients")


def _settled(result: dict[str, Any], as_json: bool, verdict: str) -> None:
    """What was said, and how it stands now: numbers that are parted may still be joined through a third."""
    if as_json:
        echo_json(result)
        return
    patients = result["patients"]
    click.echo(f"settled: they are {verdict}")
    for each in patients:
        if each["held"]:
            click.echo(f"still held for a person: {each['held']}")

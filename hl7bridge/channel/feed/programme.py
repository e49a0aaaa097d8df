"""`programme:` of a channel: where its feed says what the affiliation programme needs and HL7 v2 has no field for.

    programme:
      days_supply: ORC-7.3            # or several places, which must agree
      sold: {FT1: present}            # what means that the patient has it; left out, the feed does not know
      returned: {ORC-1: CA}           # what means that it went back to stock
      cancelled: {ORC-1: [CA, DC]}    # what ends a prescription
      filled: counts                  # of a feed that does not know sales: filled medicine counts as taken home
      store: RXD-30.1                 # which store it is; MSH-4 if left out
      discharge: yes                  # its orders are discharge prescriptions
      visits: yes                     # its ADT and ORU messages tell of visits and results, for visit summaries
      ended: {PV1-45: present}        # what ends a visit; left out, an ADT^A03 does
      intervention: {code: ZIN-1, table: interventions}   # what the pharmacist did (feed.interventions)
      roster: medstar                 # a hospital's own feed keeps its affiliate's roster up (feed.attribution)

Where several systems send through one feed there is a list of these, each with `when`: the first whose `when` holds speaks of a
message, and a message of which none speaks says nothing to the programme. `when` and `ended` mean the whole message.

Paths and conditions mean the order's run (ORC and what belongs to it). Reads YAML into functions once. Raises nothing; mistakes
are named.
"""

from __future__ import annotations

from dataclasses import dataclass

from hl7bridge.channel.feed.attribution import ROSTER_KEPT, RosterPlan, read_roster_kept
from hl7bridge.channel.feed.interventions import INTERVENTION, InterventionPlan, read_intervention
from hl7bridge.channel.keys.engine import ENGINE_PROGRAMME
from hl7bridge.channel.rules.condition import Condition, read_condition
from hl7bridge.channel.rules.places import field_paths
from hl7bridge.channel.rules.reference import First
from hl7bridge.channel.rules.setting import Setting
from hl7bridge.channel.written.language import CONDITIONS, PATH, PATHS, Written
from hl7bridge.channel.written.model import Choice, Truth, Wrong
from hl7bridge.channel.written.record import Field, ListOf, OneOf, Record, Values

_PROGRAMME = Record(
    "programme",
    {
        "when": Field(
            CONDITIONS,
            "of which messages this speaks, where several systems send through one feed; of all if left out",
        ),
        "days_supply": Field(
            Written(PATHS), "where the feed writes days' supply; several places must agree, or it is unknown"
        ),
        "sold": Field(
            CONDITIONS, "what in a dispense means that the patient has it; left out, the feed does not know"
        ),
        "returned": Field(CONDITIONS, "what in a dispense means return to stock; ORC-1 = CA if left out"),
        "cancelled": Field(
            CONDITIONS, "what in an order ends the prescription; ORC-1 = CA, DC, OC, OD, CR or DR if left out"
        ),
        "filled": Field(
            Choice(("waits", "counts")),
            "whether filled medicine counts in adherence where the feed does not know sales",
            "waits",
        ),
        "store": Field(Written(PATH), "where the store's number stands; MSH-4 if left out"),
        "discharge": Field(Truth(), "its orders are a hospital's discharge prescriptions", False),
        "visits": Field(Truth(), "its messages tell of visits and their results, for visit summaries", False),
        "ended": Field(CONDITIONS, "what in a message ends a visit; ADT^A03 if left out"),
        "intervention": Field(
            INTERVENTION, "where it tells what the pharmacist did about an order or a fill"
        ),
        "roster": Field(ROSTER_KEPT, "the affiliate whose list of patients its A01, A28 and A31 keep up"),
    },
    elsewhere={
        key: f"it belongs in hl7bridge.yaml: programme: {{{key}: ...}}" for key in ENGINE_PROGRAMME.fields
    },
)


#: One for all messages of a channel, or a list of which the first counts whose `when` holds.
PROGRAMMES = OneOf(items=ListOf(_PROGRAMME, least=1), pairs=_PROGRAMME)


@dataclass(frozen=True, slots=True)
class ProgrammePlan:
    """What a channel says of its feed, compiled. None: the standard's place, or nowhere; `when` None: of every message."""

    place: str
    when: Condition | None = None
    days_supply: tuple[First, ...] = ()
    sold: Condition | None = None
    returned: Condition | None = None
    cancelled: Condition | None = None
    filled_counts: bool = False
    store: First | None = None
    discharge: bool = False
    visits: bool = False
    ended: Condition | None = None
    intervention: InterventionPlan | None = None
    roster: RosterPlan | None = None


def read_programmes(found: Values | list[Values] | None, setting: Setting) -> tuple[ProgrammePlan, ...]:
    """Compiles what a channel says of its feed, in its order; empty where it does not feed the programme."""
    if found is None:
        return ()
    several = found if isinstance(found, list) else [found]
    for values in several[:-1]:
        if "when" not in values:
            setting.reading.mistakes.add(
                values.place,
                "nothing after this one is ever looked at",
                "say of which messages it speaks: when: {...}",
            )
    return tuple([_programme(values, setting) for values in several])


def _programme(values: Values, setting: Setting) -> ProgrammePlan:
    """Compiles one of them; what has mistakes is left out."""
    inside = setting.within(run=True)

    def condition(name: str, within: Setting = inside) -> Condition | None:
        node = values.nodes.get(name)
        found = None if node is None else read_condition(node, within)
        return None if isinstance(found, Wrong) else found

    store, filled = values.nodes.get("store"), values.nodes.get("filled")
    if filled is not None and "sold" in values:
        setting.wrong(
            filled,
            "a feed that says what is sold leaves nothing for filled to say",
            "leave out filled, or sold",
        )
    if "ended" in values and not values["visits"]:
        setting.wrong(
            values.nodes["ended"], "ended says nothing where visits are not told of", "add visits: yes"
        )
    when = values.nodes.get("when")
    of_which = None if when is None else read_condition(when, setting)
    return ProgrammePlan(
        place=str(values.place),
        when=None if isinstance(of_which, Wrong) else of_which,
        days_supply=field_paths(values.nodes.get("days_supply"), inside),
        sold=condition("sold"),
        returned=condition("returned"),
        cancelled=condition("cancelled"),
        filled_counts=values["filled"] == "counts",
        store=next(iter(field_paths(store, inside)), None),
        discharge=values["discharge"],
        visits=values["visits"],
        ended=condition("ended", setting),
        intervention=None
        if values["intervention"] is None
        else read_intervention(values["intervention"], inside),
        roster=read_roster_kept(values, setting),
    )

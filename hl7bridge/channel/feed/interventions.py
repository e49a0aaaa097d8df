"""`intervention:` of a channel's `programme`, and what it reads: what the pharmacist did about an order or a fill.

    intervention:
      when: {ZIN: present}            # what means that there is one; left out, any of the codes says so
      code: [ZIN-1, ZIN-2, ZIN-3]     # where its codes stand: one place, or several
      table: interventions            # tables/interventions.csv: code and words; column: if it has more columns
      column: words

HL7 v2 has no field for it. NCPDP's codes (reason for service 439-E4, professional service 440-E5, result of service 441-E6) suggest
themselves for the codes, and the table says them in words.

Only what the table holds is taken: codes that stand in it, and its words. What else stands in these places may be a note that somebody
wrote freely about the patient, and is not passed on; it is counted, without its text. An intervention of which the table holds no code
is none. Of a dispense it is dated by the fill (RXD-3), since every later message of the fill repeats it, and of an order by the
order's event. Raises nothing; mistakes are named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from hl7bridge.affiliation.facts.facts import FillKey, InterventionFact, Medicine, PrescriptionKey
from hl7bridge.channel.rules.condition import Condition, read_condition
from hl7bridge.channel.rules.places import field_paths
from hl7bridge.channel.rules.reference import First
from hl7bridge.channel.rules.scope import Scope
from hl7bridge.channel.rules.setting import Setting
from hl7bridge.channel.rules.text import decoded
from hl7bridge.channel.written.language import CONDITIONS, PATHS, NameOf, Written
from hl7bridge.channel.written.mistake import meant
from hl7bridge.channel.written.model import Text, Wrong
from hl7bridge.channel.written.record import Field, Record, Values
from hl7bridge.channel.written.yaml import Items, shown

#: More places than NCPDP's three and as many of a site's own are none for codes.
MOST_CODES: Final = 6

INTERVENTION = Record(
    "an intervention",
    {
        "when": Field(CONDITIONS, "what means that there is one; any of its codes if left out"),
        "code": Field(
            Written(PATHS),
            "where its code stands, or its several codes",
            required=True,
        ),
        "table": Field(
            NameOf("table", Text("the name of a table")), "the table that says a code in words", required=True
        ),
        "column": Field(Text("a column"), "the column of the table; the second if it has two"),
    },
)


@dataclass(frozen=True, slots=True)
class InterventionPlan:
    """Where a feed tells of interventions, compiled. `words` is the site's table: what it does not hold is not taken."""

    when: Condition | None
    codes: tuple[First, ...]
    words: Mapping[str, str]


def read_intervention(values: Values, setting: Setting) -> InterventionPlan | None:
    """Compiles what a channel says; None where there are mistakes."""
    node = values.nodes.get("when")
    when = None if node is None else read_condition(node, setting)
    codes = field_paths(values.nodes.get("code"), setting, "write it like ZIN-1", values["table"])
    words = _words(values, setting)
    given = values.nodes.get("code")
    if isinstance(given, Items) and not given.items:
        setting.wrong(given, "there is no code here", "write it like ZIN-1")
    if len(codes) > MOST_CODES:
        setting.wrong(values.nodes["code"], "these are too many codes", f"at most {MOST_CODES}")
    if isinstance(when, Wrong) or words is None or not codes or not values.complete:
        return None
    return InterventionPlan(when, codes, words)


def _words(values: Values, setting: Setting) -> Mapping[str, str] | None:
    name, column = values["table"], values["column"]
    if name is None:
        return None
    if name not in setting.tables:
        hint = meant(name, setting.tables, f"write tables/{name}.csv")
        setting.wrong(values.nodes["table"], f"there is no table {shown(name)}", hint)
        return None
    table = setting.tables[name]
    if table is None:
        return None  # its own mistakes are named
    if column is None:
        if len(table.columns) != 2:
            setting.wrong(values.nodes["table"], f"say which column of {name}", "column: one of its columns")
            return None
        column = table.columns[1]
    elif column not in table.columns:
        hint = meant(column, table.columns)
        setting.wrong(values.nodes["column"], f"the table {name} has no column {shown(column)}", hint)
        return None
    return {code: text for code, text in table.column(column).items() if code and text}


def intervention_of(
    plan: InterventionPlan,
    run: Scope,
    prescription: PrescriptionKey,
    fill: FillKey | None,
    day: date | None,
    medicine: Medicine | None,
) -> tuple[InterventionFact | None, str | None]:
    """The intervention that an order's run tells of, if any, and why something in it was left out, if so."""
    if plan.when is not None and not plan.when(run):
        return None, None
    said = [
        decoded(value, run.delimiters, run.message.charset).strip()
        for place in plan.codes
        if (value := place(run)) and value != b'""'
    ]
    codes = [code for code in said if code in plan.words]
    missed = "a code of an intervention that its table does not hold" if len(codes) < len(said) else None
    if not codes or day is None or medicine is None:
        return None, missed
    text = "; ".join(dict.fromkeys(plan.words[code] for code in codes))
    return InterventionFact(prescription, fill, day, medicine, "/".join(codes), text), missed

"""The JSON Schema says what the loader says, as far as a schema can."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7bridge.channel.editors.foldernames import names_of
from hl7bridge.channel.editors.schema import printed, schema
from hl7bridge.channel.keys.engine import ENGINE
from hl7bridge.channel.loading.filekind import KINDS
from hl7bridge.channel.loading.folder import check, look_over
from hl7bridge.channel.rules.operator import OPERATORS
from hl7bridge.channel.rules.value import FORMS
from hl7bridge.channel.rules.verbs import MODIFIERS, VERBS
from hl7bridge.channel.written.record import ListOf, MapOf, OneOf, Record
from hl7bridge.channel.written.segments import SEGMENTS
from hl7bridge.engine.folder import read_folder

SCHEMA = schema()
SOURCE = b"source: s\nmllp: {port: 2576, allow: [10.0.0.0/8]}\nunaccepted: AA\n"
ENGINE_FILE = b"data: x\nretention: {messages: 90d}\ndefaults: {destination: {order: strict}}\n"
OUT = b"destination: out\nsend: {mllp: {host: h, port: 1}}\n"


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Of more patterns than `re` remembers."""
    return re.compile(pattern)


def pattern(validator: Any, wanted: str, found: object, shape: Any) -> Iterator[jsonschema.ValidationError]:
    if isinstance(found, str) and not compiled(wanted).search(found):
        yield jsonschema.ValidationError(f"{found!r} does not match {wanted!r}")


def pattern_properties(
    validator: Any, wanted: dict[str, Any], found: object, shape: Any
) -> Iterator[jsonschema.ValidationError]:
    if isinstance(found, dict):
        for each, inner in wanted.items():
            for key, value in found.items():
                if compiled(each).search(key):
                    yield from validator.descend(value, inner, path=key, schema_path=each)


#: The library's validator, quicker with many patterns.
DRAFT_7 = jsonschema.validators.extend(
    jsonschema.Draft7Validator, {"pattern": pattern, "patternProperties": pattern_properties}
)


def validator(made: Any) -> Any:
    return DRAFT_7(made)


def of_definition(made: Any, name: str) -> Any:
    """Validates by one definition of a schema."""
    return DRAFT_7({"$ref": f"#/definitions/{name}", "definitions": made["definitions"]})


VALIDATOR = validator(SCHEMA)
CONDITIONS = of_definition(SCHEMA, "conditions")


class EditorLoader(yaml.SafeLoader):
    """YAML as an editor reads it, by 1.2: numbers, true and false, but no dates, and yes and off are texts."""


EditorLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.endswith((":null", ":merge", ":value"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
EditorLoader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^-?\d+$"), list("-0123456789"))


EditorLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))


def complaints(data: bytes, made: Any = VALIDATOR) -> list[str]:
    return [error.message for error in made.iter_errors(yaml.load(data, Loader=EditorLoader))]


def records(kind: Any) -> Iterator[Record]:
    """Every record within a kind."""
    if isinstance(kind, Record):
        yield kind
        for field in kind.fields.values():
            yield from records(field.kind)
    elif isinstance(kind, ListOf | MapOf):
        yield from records(kind.kind)
    elif isinstance(kind, OneOf):
        for alternative in (kind.text, kind.items, kind.pairs):
            if alternative is not None:
                yield from records(alternative)


def test_the_schema_beside_the_channels_is_the_one_that_the_tables_make() -> None:
    file = Path(__file__).parents[2] / "channels" / "schema" / "channel.json"
    written = file.read_text(encoding="utf-8")
    assert written == printed(SCHEMA) + "\n", "write it anew: hl7bridge schema > channels/schema/channel.json"
    assert json.loads(written) == SCHEMA


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    json.dumps(SCHEMA)


def test_every_key_of_every_table_is_in_it_with_its_meaning() -> None:
    for name, table in [*((kind, each) for kind, (each, _) in KINDS.items()), ("engine", ENGINE)]:
        properties = SCHEMA["definitions"][name]["properties"]
        assert set(properties) == set(table.fields)
        for record in records(table):
            made = record.schema()
            assert set(made["properties"]) == set(record.fields)
            assert made["additionalProperties"] is False
            assert all(each["description"] for each in made["properties"].values())
    definitions = SCHEMA["definitions"]
    assert set(definitions["step"]["properties"]) == {*VERBS, *MODIFIERS}
    assert set(definitions["value"]["anyOf"][0]["properties"]) == set(FORMS)
    assert set(definitions["test"]["anyOf"][0]["properties"]) == set(OPERATORS)


def shown(path: str) -> list[str]:
    """What an editor shows of a key: the first title and the first description that it meets, in the order in which it looks."""
    definitions = SCHEMA["definitions"]
    met: list[dict[str, str]] = []
    for part in SCHEMA["definitions"]["step"]["allOf"]:
        patterns = definitions[part["$ref"].removeprefix("#/definitions/")]["patternProperties"]
        found = [each["$ref"] for pattern, each in patterns.items() if re.search(pattern, path)]
        assert len(found) <= 1, "editors take the first pattern that a key meets"
        met += [definitions[name.removeprefix("#/definitions/")] for name in found]
    return [next((each[word] for each in met if word in each), "") for word in ("title", "description")]


@pytest.mark.parametrize(
    ("path", "title", "description"),
    [
        ("RXE-2", "RXE-2 Give Code: CE in 2.2-2.5.1, CWE since 2.6", "Once. Table 0292."),
        (
            "RXE-2.1",
            "RXE-2 Give Code: CE in 2.2-2.5.1, CWE since 2.6",
            "Component 1, Identifier: ST in 2.1, ID in 2.2-2.3, ST since 2.3.1.",
        ),
        (
            "PID-3[5=MR].4.2",
            "PID-3 Patient Identifier List: CK in 2.1, CM_PAT_ID in 2.2, CX since 2.3",
            "Component 4, Assigning Authority: HD. "
            "Subcomponents: 1 Namespace ID, 2 Universal ID, 3 Universal ID Type.",
        ),
        ("PID-13[*]", "PID-13 Phone Number Home: TN in 2.1-2.2, XTN since 2.3", "Repeats."),
        ("OBX[3.1=8302-2]-5", "OBX-5 Observation Value: varies", "Once in 2.1-2.2, repeats since 2.3."),
        ("original.OBX[2]-6.1", "OBX-6 Units: ID in 2.1, CE in 2.2-2.5.1, CWE since 2.6", None),
        ("RXE-45", "RXE-45 Pharmacy Phone Number: XTN since 2.7", "Repeats."),
        (
            "DG1-15",
            "DG1-15 Diagnosis Priority: NM in 2.2-2.3, ID in 2.3.1-2.6, NM since 2.7",
            "Once. Table 0359.",
        ),
        (
            "PID-4",
            "PID-4 Alternate Patient ID PID: ST in 2.1-2.2, CX in 2.3-2.6",
            "Once in 2.1-2.3, repeats in 2.3.1-2.6.",
        ),
        ("PID-28", "PID-28 Nationality: CE in 2.3-2.5.1, CWE in 2.6", "Once. Table 0212."),
        ("OBX-20", "OBX-20 Observation Site: CWE since 2.6", "Repeats. Table 0163."),
        ("RXE-5", "RXE-5 Give Units: CE in 2.2-2.5.1, CWE since 2.6", "Once."),
        ("ZPH-2", "", ""),
    ],
)
def test_paths_carry_their_hl7_names_and_types_by_version(
    path: str, title: str, description: str | None
) -> None:
    found = shown(path)
    assert found[0] == title
    assert description is None or found[1] == description


def test_what_is_shown_of_a_value_is_what_is_shown_of_a_key() -> None:
    definitions = SCHEMA["definitions"]

    def met(shape: Any, path: str) -> Iterator[str]:
        for each in shape.get("allOf", ()):
            if "if" in each and re.search(each["if"]["pattern"], path):
                yield from [each["then"]["$ref"]] if "$ref" in each["then"] else met(each["then"], path)

    for path in ("RXE-2.1", "PID-3[4=MEDSTAR].1", "ORC-12", "original.OBX-5", "XPN-1", "ZPH-2"):
        names = [each.removeprefix("#/definitions/") for each in met(definitions["path names"], path)]
        titles = [definitions[name]["title"] for name in names if "title" in definitions[name]]
        assert titles[:1] == [each for each in shown(path)[:1] if each], path


def test_every_pattern_is_one_that_editors_can_read() -> None:
    """ECMAScript knows no possessive and no conditional groups, and names its groups otherwise than Python."""

    def patterns(shape: Any) -> Iterator[str]:
        if isinstance(shape, dict):
            yield from shape.get("patternProperties", {})
            if isinstance(shape.get("pattern"), str):
                yield shape["pattern"]
            for each in shape.values():
                yield from patterns(each)
        elif isinstance(shape, list):
            for each in shape:
                yield from patterns(each)

    found = set(patterns(SCHEMA))
    assert len(found) > 1000
    for pattern in found:
        re.compile(pattern)
        outside_classes = re.sub(r"\[(\\.|[^\]\\])+\]", "x", pattern)
        assert not re.search(r"\(\?(?![:=!])|[*+?}]\+|\\[AZzGQE]", outside_classes), pattern[:200]
        # With the flag u nothing is escaped but what has a meaning.
        assert not re.search(r"\\(?![\\^$.*+?()\[\]{}|/bBdDsSwW-])", pattern), pattern[:200]


NUMBERS = st.one_of(st.integers(0, 32), st.integers(1, 120)).map(str) | st.just("02")
WORDS = st.sampled_from(
    ["X", "A|B", "'A,B'", '"x y"', "${env.SITE}", "8302-2", "a, b", "(x)", "1.2", "O'B", ""]
)


@st.composite
def conditions(draw: st.DrawFn, deepest: int) -> str:
    parts = []
    for _ in range(draw(st.integers(1, 2))):
        position = ".".join(draw(st.lists(NUMBERS, min_size=1, max_size=deepest)))
        parts.append(f"{position}={draw(WORDS)}")
    return f"[{draw(st.sampled_from([',', ', '])).join(parts)}]"


def brackets(deepest: int) -> st.SearchStrategy[str]:
    return st.one_of(
        st.just(""),
        st.just(""),
        NUMBERS.map("[{}]".format),
        NUMBERS.map("({})".format),
        st.sampled_from(["[*]", "[+]"]),
        conditions(deepest),
    )


@st.composite
def paths(draw: st.DrawFn) -> str:
    """What somebody may write for a path: right ones, wrong ones, and such as no version of HL7 has."""
    usual = st.sampled_from(["PID", "OBX", "ORC", "RXE", "MSH", "OBR", "PV1", "QPD", "ZPH", "XYZ"])
    text = draw(st.sampled_from(["", "", "", "/"])) + draw(usual | st.sampled_from(sorted(SEGMENTS)))
    text += draw(brackets(3))
    if draw(st.integers(0, 9)):
        text += draw(st.sampled_from("-.")) + draw(NUMBERS) + draw(brackets(2))
        text += "".join(draw(st.sampled_from("-.")) + draw(NUMBERS) for _ in range(draw(st.integers(0, 2))))
    return text


def agree(path: str, engine: bytes, validator: Any) -> None:
    """An editor marks a path where check says something of it."""
    quoted = "'" + path.replace("'", "''") + "'"
    data = f"channel: c\nsource: s\nfilter: {{{quoted}: present}}\nsend_to: [out]\n".encode()
    files = {"c.yaml": data, "s.yaml": SOURCE, "out.yaml": OUT, "hl7bridge.yaml": engine}
    mistakes, warnings, _ = look_over(files, lambda name: "S")
    said = [each for each in (*mistakes, *warnings) if each.path == "c.yaml" and "[+] makes" not in each.what]
    marks = list(validator.iter_errors({"PID-1": "x", path: "present"}))
    assert bool(marks) == bool(said), (path, said, [each.message[:80] for each in marks])


@settings(max_examples=400, deadline=None)
@given(paths())
def test_editors_mark_the_paths_of_which_check_says_something(path: str) -> None:
    agree(path, ENGINE_FILE, CONDITIONS)


SITE = b"site_fields: [PID-41, OBR-20.2, PID-2, PV1-60.2, ORC, MSH-10, RXE-50]\n"
CONDITIONS_OF_SITE = of_definition(schema(names_of({"hl7bridge.yaml": SITE})), "conditions")


@settings(max_examples=300, deadline=None)
@given(paths())
def test_what_a_site_means_is_marked_by_neither(path: str) -> None:
    agree(path, SITE, CONDITIONS_OF_SITE)


@pytest.mark.parametrize(
    ("step", "right"),
    [
        ("PID-2: {from: 'PID-3[4=A].1'}", True),
        ("PID-2: {from: received}", True),
        ("PID-2: {from: PID-3.13}", False),
        ("PID-2: {from: 'PID-7[2]'}", False),
        ("PID-2: {from: PDI-3}", False),
        ("PID-2: {join: [PID-5.1, ', ', PID-5.2]}", True),
        ("PID-2: {join: [PID-5.1, PID-44]}", False),
        ("PID-2: {join: 'NTE[*]-3[*]'}", True),
        ("PID-2: {first_of: ['ORC-12[13=NPI]', NONE]}", True),
        ("PID-2: {first_of: [ORC-99]}", False),
        ("remove: [PID-19, NTE, 'PID-3[4=X]']", True),
        ("remove: [PID-19, PID-77]", False),
        ("remove: XOB", False),
        ("keep: 'PID-3[4=X]'", True),
        ("keep: 'PID-3[14=X]'", False),
        ("{each: OBX, remove: run}", True),
        ("{each: 'ORC-7[*]', it.3: x}", True),
        ("{each: 'MSH-9[*]', it.3: x}", False),
        ("{each: XOB, remove: run}", False),
        ("{renumber: OBX-1, within: OBR}", True),
        ("{renumber: OBX-41, within: OBR}", False),
        ("{renumber: OBX-1, within: ORB}", False),
        ("{add: TQ1, after: [ORC, ZPH], TQ1-1: 1}", True),
        ("{add: TQ1, after: [OCR], TQ1-1: 1}", False),
        ("{add: TQ1, after: ORC, TQ1-21: 1}", False),
        ("{when: {'OBX[3.23=X]-5': present}, remove: NTE}", False),
    ],
)
def test_paths_as_values_are_marked_as_check_says(step: str, right: bool) -> None:
    data = f"channel: c\nsource: s\nmap:\n  - {step}\nsend_to: [out]\n".encode()
    mistakes, warnings, _ = look_over({"c.yaml": data, "s.yaml": SOURCE, "out.yaml": OUT})
    assert (mistakes + warnings == []) is right
    assert (complaints(data) == []) is right


FOLDER = {
    "a.yaml": b"affiliate: medstar\nagreement: {clinic: 2014-06-01}\nsend: {mllp: {host: h, port: 1}}\n",
    "out.yaml": OUT,
    "s.yaml": SOURCE,
    "tables/stores.csv": b"store,facility,city\n1,2,3\n",
    "tables/broken.csv": b"a,a\n",
    "other.yaml": b"channel: other\nsource: s\nsend_to: [{destination: here, send: {file: {folder: x}}}]\n",
}


@pytest.mark.parametrize(
    ("lines", "right"),
    [
        ("source: s\nsend_to: [out, medstar, {to: [here, out]}, {affiliates: clinic}]", True),
        ("source: programme\nsend_to: out", True),
        ("source: ss\nsend_to: [out]", False),
        ("source: s\nsend_to: [outt]", False),
        ("source: s\nsend_to: [{to: heree}]", False),
        ("source: s\nsend_to: [{affiliates: clinics}]", False),
        ("source: s\nfilter: {PID-8: {in_table: stores}}\nsend_to: [out]", True),
        ("source: s\nfilter: {PID-8: {in_table: store}}\nsend_to: [out]", False),
        ("source: s\nmap: [{PID-8: {from: PID-8, table: stores, column: city}}]\nsend_to: [out]", True),
        ("source: s\nmap: [{PID-8: {from: PID-8, table: stores, column: town}}]\nsend_to: [out]", False),
        ("source: s\nmap: [{PID-8: {from: PID-8, table: stors, column: city}}]\nsend_to: [out]", False),
        ("source: s\nprogramme: {roster: medstar}\nsend_to: [out]", True),
        ("source: s\nprogramme: {roster: medstr}\nsend_to: [out]", False),
        (
            "source: s\nprogramme: {intervention: {code: ZIN-1, table: stores, column: city}}\nsend_to: [out]",
            True,
        ),
        ("source: s\nprogramme: {intervention: {code: ZIN-1, table: storess}}\nsend_to: [out]", False),
        ("source: s\nprogramme: {days_supply: [ORC-7.3, RXE-1.13]}\nsend_to: [out]", False),
        ("source: s\nsplit: {each: OBR, with: [ORC]}\nsend_to: [out]", True),
        ("source: s\nsplit: {each: OBR, with: [OCR]}\nsend_to: [out]", False),
    ],
)
def test_the_schema_of_a_folder_knows_its_names(lines: str, right: bool) -> None:
    data = f"channel: c\n{lines}\n".encode()
    whole = {key: value for key, value in FOLDER.items() if key != "tables/broken.csv"} | {"c.yaml": data}
    mistakes, warnings, _ = look_over(whole)
    assert (mistakes + warnings == []) is right
    assert (complaints(data, validator(schema(names_of(FOLDER)))) == []) is right


def test_the_schema_of_a_folder_knows_where_tests_may_expect_something() -> None:
    made = validator(schema(names_of({**FOLDER, "c.yaml": b"channel: c\nsource: s\nsend_to: [out]\n"})))
    assert (
        complaints(b"- {name: x, message: m, channel: c, expect: {out: sent, here: {PID-2: x}}}\n", made)
        == []
    )
    assert complaints(b"- {name: x, message: m, expect: {outt: sent}}\n", made) != []
    assert complaints(b"- {name: x, message: m, channel: d, expect: {out: sent}}\n", made) != []
    assert complaints(b"- {name: x, message: m, with: {PID-77: x}, expect: {out: sent}}\n", made) != []


def test_the_names_of_a_folder_are_there_for_completion_whatever_else_is_wrong_with_it() -> None:
    names = names_of(FOLDER)
    assert names.tables == {"stores": ("store", "facility", "city"), "broken": ()}
    assert names.destinations == {"medstar", "out", "here"}
    assert (names.affiliates, names.scopes) == ({"medstar"}, {"clinic"})
    assert (names.sources, names.channels) == ({"s", "programme"}, {"other"})
    definitions = schema(names)["definitions"]
    assert definitions["name of table"]["enum"] == ["broken", "stores"]
    assert definitions["name of destination"]["enum"] == ["here", "medstar", "out"]
    assert "enum" not in SCHEMA["definitions"]["name of table"]


@pytest.mark.parametrize(
    ("name", "read"),
    [("0042", 42), ("1.50", 1.5), ("2e3", 2000), ("true", True), ("Null", None), ("0x1F", 31)],
)
def test_a_name_that_yaml_takes_for_something_else_is_known(name: str, read: object) -> None:
    """Of what stands there without quotes an editor sees only what YAML 1.2 makes of it, in keys too."""
    files = {
        "d.yaml": f"destination: '{name}'\nsend: {{mllp: {{host: h, port: 1}}}}\n".encode(),
        "s.yaml": SOURCE,
        "c.yaml": f"channel: c\nsource: s\nsend_to: [{name}]\n".encode(),
    }
    assert look_over(files)[:2] == ([], [])
    made = validator(schema(names_of(files)))
    written = "null" if read is None else str(read).lower()
    for each in (name, read):
        assert not list(made.iter_errors({"channel": "c", "source": "s", "send_to": [each]}))
    for each in (name, written):
        assert not list(made.iter_errors([{"name": "x", "message": "m", "expect": {each: "sent"}}]))
    assert list(made.iter_errors({"channel": "c", "source": "s", "send_to": [43]}))


@pytest.mark.parametrize(("place", "form"), [("test", "longer_than"), ("value", "from")])
def test_editors_speak_first_of_the_words_that_may_stand_there(place: str, form: str) -> None:
    """Of alternatives that fit a mistyped word alike they take the first: `longer_then` is not allowed, not "expected a text"."""
    first = SCHEMA["definitions"][place]["anyOf"][0]
    assert form in first["properties"]
    [mistake] = [
        each
        for each in validator(first | {"definitions": SCHEMA["definitions"]}).iter_errors(
            {form + "x": "PID-3"}
        )
        if each.validator == "additionalProperties"
    ]
    assert form + "x" in mistake.message


def test_what_is_half_written_names_nothing() -> None:
    """Or an editor would propose it."""
    names = names_of(
        {
            "d.yaml": b"destination:\nsend: x\n",
            "e.yaml": b"source: a b\n",
            "a.yaml": b"affiliate: ''\nagreement: {'': 2020-01-01, clinic: 2020-01-01}\n",
            "c.yaml": b"channel: c\nsend_to: [{destination: ''}, {destination: here}]\n",
        }
    )
    assert (names.destinations, names.affiliates, names.scopes) == ({"here"}, set(), {"clinic"})
    assert names.sources == {"programme"}


def test_the_schema_of_a_folder_names_the_fields_of_whatever_segments_it_speaks_of() -> None:
    assert "SCH-11" not in SCHEMA["definitions"]["paths"]["properties"]
    names = names_of(
        {
            **FOLDER,
            "c.yaml": b"channel: c\nsource: s\nfilter: {SCH-11.4: present, ABQ-1: x}\nsend_to: [out]\n",
        }
    )
    assert "SCH" in names.segments
    made = schema(names)["definitions"]
    assert made["SCH-11"]["title"].startswith("SCH-11 Appointment Timing Quantity: TQ")
    assert made["paths"]["properties"]["SCH-11"] == {"$ref": "#/definitions/SCH-11"}


def test_an_editor_has_nothing_to_say_of_the_channels_that_come_with_it() -> None:
    folder = Path(__file__).parents[2] / "channels"
    made = validator(schema(names_of(read_folder(folder))))
    seen = 0
    for file in sorted(folder.rglob("*.yaml")):
        assert complaints(file.read_bytes(), made) == [], file
        assert complaints(file.read_bytes()) == [], file
        seen += 1
    assert seen > 15


CHANNEL = b"""channel: c
source: s
accept: [RDE^O11, 'ADT^*']
filter: {'PID-3[5=PI].1': present, any: [{ORC-1: CA}, {ZZZ: absent}]}
map:
  - {MSH-5: 7, 'PID-10[*].1': {from: 'PID-10[*].1', table: t, else: keep}}
  - ZPH-2: {join: [PID-5.1, ' ']}
  - {each: ORC, where: {ZRX-7: present}, do: [{add: TQ1, after: ORC, TQ1-1: 1}, {remove: [ZRX-7]}]}
  - {each: 'ORC-7[*]', it.3: x}
  - {keep: 'PID-3[4=A]'}
  - {new: ORU^R01, keep: [MSH]}
  - PID-2: null
send_to:
  - out
  - {when: {received: {between: ['07:00', '19:00']}}, to: [out]}
  - affiliates: clinic
"""
AFFILIATE = b"""affiliate: a
agreement: {clinic: 2014-06-01}
send: {mllp: {host: h, port: 6701, tls: true}, timeout: 30s}
retry: {first: 5s, factor: 2, jitter: 10%}
processing: [P, T]
map: [{PID-19: ''}]
"""
TESTS = b"- {name: x, message: m, with: {MSH-11: T}, expect: {out: {MSH-5: 7}, a: not sent}}\n"
INLINE = b"channel: c\nsource: {mllp: {port: 2575}, duplicates: off}\nsend_to: [out]\n"
GOOD = [INLINE, CHANNEL, AFFILIATE, OUT, SOURCE, TESTS, ENGINE_FILE]
BAD = [
    b"channel: c\nsource: s\nsend_to: [out]\nacept: [RDE^O11]\n",
    b"channel: c\nsource: s\n",
    b"channel: c\nsource: {mllp: {port: 0}}\nsend_to: [out]\n",
    b"channel: c\nsource: s\naccept: [RDE]\nsend_to: [out]\n",
    b"channel: c\nsource: s\nfilter: {PID-3: {nott: x}}\nsend_to: [out]\n",
    b"channel: c\nsource: s\nfilter: {PDI-3: x}\nsend_to: [out]\n",
    b"channel: c\nsource: s\nmap: [{PID-3: {form: x}}]\nsend_to: [out]\n",
    b"channel: c\nsource: s\nmap: [{PID-3: {from: x, case: uper}}]\nsend_to: [out]\n",
    b"channel: c\nsource: s\nmap: [{PID-99: x}]\nsend_to: [out]\n",
    b"channel: c\nsource: s\nmap: [{'/PID[1]-99.1': x}]\nsend_to: [out]\n",
    b"channel: c\nsource: s\nmap: [{ech: OBX}]\nsend_to: [out]\n",
    b"channel: c\nsource: s\nsend_to: [{when: {ORC-1: CA}}]\n",
    b"affiliate: a\nsend: {file: {folder: x}}\n",
    b"destination: d\nsend: {}\n",
    b"destination: d\nsend: {file: {folder: x}}\nstatus: off\n",
    b"source: s\nmllp: {port: 1}\nduplicates: 24\n",
    b"- {name: x, message: m, expect: {out: send}}\n",
    b"retain: 90d\n",
]


@pytest.mark.parametrize("data", GOOD)
def test_what_is_right_passes(data: bytes) -> None:
    assert complaints(data) == []


@pytest.mark.parametrize("data", BAD)
def test_what_the_loader_refuses_is_underlined(data: bytes) -> None:
    assert complaints(data) != []
    path = (
        "x.test.yaml"
        if data.startswith(b"-")
        else "hl7bridge.yaml"
        if data.startswith(b"retain")
        else "x.yaml"
    )
    mistakes, warnings, _ = look_over({path: data, "s.yaml": SOURCE, "out.yaml": OUT})
    assert mistakes + warnings != []


def test_the_folder_of_good_files_loads() -> None:
    files = {"c.yaml": CHANNEL, "a.yaml": AFFILIATE, "out.yaml": OUT, "s.yaml": SOURCE}
    files |= {"c.test.yaml": TESTS, "hl7bridge.yaml": ENGINE_FILE, "tables/t.csv": b"a,b\n1,2\n"}
    assert check(files) == []

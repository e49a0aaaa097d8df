"""The JSON Schema says what the loader says, as far as a schema can."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from hl7bridge.channel.enginetable import ENGINE
from hl7bridge.channel.filekind import KINDS
from hl7bridge.channel.folder import check
from hl7bridge.channel.operator import OPERATORS
from hl7bridge.channel.record import ListOf, MapOf, OneOf, Record
from hl7bridge.channel.schema import schema
from hl7bridge.channel.value import FORMS
from hl7bridge.channel.verbs import MODIFIERS, VERBS

SCHEMA = schema()
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
OUT = b"destination: out\nsend: {mllp: {host: h, port: 1}}\n"


class EditorLoader(yaml.SafeLoader):
    """YAML as an editor reads it: numbers and truths, but no dates."""


EditorLoader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":int", ":float"))
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
EditorLoader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^-?\d+$"), list("-0123456789"))


def complaints(data: bytes) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(yaml.load(data, Loader=EditorLoader))]


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
    made = json.loads(file.read_text(encoding="utf-8"))
    assert made == SCHEMA, "write it anew: python -m hl7bridge.channel.schema > channels/schema/channel.json"


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
    assert set(definitions["value"]["anyOf"][1]["properties"]) == set(FORMS)
    assert set(definitions["test"]["anyOf"][2]["properties"]) == set(OPERATORS)


def test_paths_carry_their_hl7_names() -> None:
    paths = SCHEMA["definitions"]["paths"]
    assert paths["properties"]["PID-3"]["description"].startswith("PID-3 Patient Identifier List")
    assert paths["properties"]["ORC-12"]["description"].startswith("ORC-12 Ordering Provider")


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
SOURCE = b"source: s\nmllp: {port: 2576, allow: [10.0.0.0/8]}\nunaccepted: AA\n"
TESTS = b"- {name: x, message: m, with: {MSH-11: T}, expect: {out: {MSH-5: 7}, a: not sent}}\n"
ENGINE_FILE = b"data: x\nretention: {messages: 90d}\ndefaults: {destination: {order: strict}}\n"
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
    # Fields beyond the standard's are a site's right; an editor still underlines them.
    assert check({path: data, "s.yaml": SOURCE, "out.yaml": OUT}) != [] or b"99" in data


def test_the_folder_of_good_files_loads() -> None:
    files = {"c.yaml": CHANNEL, "a.yaml": AFFILIATE, "out.yaml": OUT, "s.yaml": SOURCE}
    files |= {"c.test.yaml": TESTS, "hl7bridge.yaml": ENGINE_FILE, "tables/t.csv": b"a,b\n1,2\n"}
    assert check(files) == []

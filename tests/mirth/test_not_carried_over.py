"""What is not certain stands as a comment at its place and in the list; and a destination that lacks something sends nothing."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.mirth.samples import (
    MESSAGE,
    builder,
    channel,
    decided,
    destination,
    imported,
    iterator,
    mapper,
    rule,
    script,
    script_rule,
    sent,
    set_filter,
)

TO = "msg['PID']['PID.2']['PID.2.1']"
SCRIPT = "var x = msg['PID'];\n// a remark: with colon\n\tif (x) {\n\t\tx = '#';\n\t}"

EACH = "msg['OBX'][i]['OBX.6']['OBX.6.1'].toString()"
SEX = "msg['PID']['PID.8']['PID.8.1'].toString()"
FIRST = "msg['OBX'][0]['OBX.5']['OBX.5.1'].toString()"
#: Steps that are not certain, and what is said of each.
DOUBTFUL = [
    (builder(TO, "msg['PID']['PID.5'].toString()"), "a component was not named"),
    (builder(TO, "msg['PID']['PID.8']['PID.8.1']"), "without .toString()"),
    (builder(TO, "msg['PID']['PID.8']['PID.8.1'] + 'x'"), "without .toString()"),
    (builder("msg['PID']['PID.3']", "msg['PID']['PID.3']"), "a component was not named"),
    (builder("msg['PID']['PID.5']", "msg['PID']['PID.5']"), "a component was not named"),
    (
        builder("msg['PID']['PID.3']", "msg['PID']['PID.3'][1]['PID.3.1'].toString()"),
        "every repetition of PID-3, and reads one of them",
    ),
    (builder(TO, "x"), "x is JavaScript beyond a path"),
    (builder(TO, "msg['PID']['PID.8']['PID.8.1'].toString().substring(1)"), ".substring"),
    (builder(TO, "globalMap.get('site')"), "globalMap is filled outside the channel"),
    (builder(TO, "$('never')"), "sets the variable never"),
    (builder(TO, "'A^B'"), "as a delimiter"),
    (builder(TO, "'${date}'"), "${"),
    (builder("tmp['PID']['PID.2']['PID.2.1']", "'x'"), "no outbound template"),
    (builder("msg['PID']", "msg['PID']"), "a whole segment"),
    (builder("msg['MSH']['MSH.2']", "'^~'"), "declare the delimiters"),
    (builder("msg['XYZ']['XYZ.2']", "'x'"), "no segment"),
    (builder("msg['PID']['PID.5']['XPN.1']", "'x'"), "no part of PID"),
    (builder("msg['PID']['PID.2']['PID.3.1']", "'x'"), "no part of PID"),
    (builder(TO, "msg['PID'][i]['PID.8']['PID.8.1'].toString()"), "variable of JavaScript"),
    (builder(TO, "msg['PID']['PID.8']['PID.8.1'].toString()", "", [("/x/g", "''")]), "beyond a path"),
    (
        builder(TO, "msg['PID']['PID.8']['PID.8.1'].toString()", "", [(r"'\\p{L}'", "''")]),
        "regular expression",
    ),
    (
        builder(TO, "msg['PID']['PID.8']['PID.8.1'].toString()", "", [("'^$'", "'x'")]),
        "matches an empty text",
    ),
    (builder(TO, "msg['PID']['PID.8']['PID.8.1'].toString()", "other"), "other is JavaScript"),
    (script(SCRIPT), "it is JavaScript"),
    (mapper("a", "1 + 2"), "beyond a path"),
    # An index inside an iterator that is not its own: there the segment that it stands at would be meant.
    (
        iterator("msg['OBX']", builder("msg['OBX'][i]['OBX.4']['OBX.4.1']", FIRST)),
        "another OBX",
    ),
    (iterator("msg['OBX']", builder("msg['OBX'][0]['OBX.4']['OBX.4.1']", "'x'")), "another OBX"),
    (
        mapper("a", FIRST) + iterator("msg['OBX']", builder("msg['OBX'][i]['OBX.4']['OBX.4.1']", "$('a')")),
        "the variable a was read from an OBX",
    ),
    (
        mapper("a", "msg['NTE']['NTE.3']['NTE.3.1'].toString()")
        + iterator("msg['OBX']", builder("msg['OBX'][i]['OBX.4']['OBX.4.1']", "$('a') + '.'")),
        "the variable a was read from an NTE",
    ),
    # Two results in one text would be a third.
    (builder(TO, "msg['OBX']['OBX.5']['OBX.5.1'].toString() + ' cm'"), "several OBX"),
    (
        iterator("msg['OBX']", set_filter("REMOVE", [1], EACH, "NOT_EQUAL", "'kg'")),
        "inside an iterator",
    ),
    (mapper("a", "'x'", scope="GLOBAL"), "longer than a message"),
    (iterator("msg['OBX']", script("x")), "it is JavaScript"),
    (
        iterator(
            "msg['OBX']", builder("msg['OBX'][i]['OBX.4']", "msg['OBR']['OBR.4']['OBR.4.1'].toString()")
        ),
        "another OBR",
    ),
    (
        "<com.mirth.connect.plugins.xsltstep.XsltStep><name>x</name></com.mirth.connect.plugins.xsltstep.XsltStep>",
        "XSLT",
    ),
]


@pytest.mark.parametrize(("steps", "why"), DOUBTFUL)
def test_a_step_that_is_not_certain_is_listed_and_stands_as_a_comment(steps: str, why: str) -> None:
    made = imported(channel(steps))
    assert [why in each.why for each in made.missing] == [True], made.missing
    [text] = made.files.values()
    assert f"# NOT CARRIED OVER: {made.missing[0].what}: {made.missing[0].why}" in text
    [outgoing] = decided(made).outgoing
    assert outgoing.refused == "shadow: kept, nothing is sent"
    assert outgoing.payload == MESSAGE.encode()


@pytest.mark.parametrize(
    "form", ["YYYYMMdd", "yyyyMMDD", "yyyyMMddHHMM", "yyyyMMddHHmmSS", "yyyymmdd", "yyyyMMddhhmmss"]
)
def test_letters_that_mean_another_part_of_the_time_in_java_are_not_taken_for_ours(form: str) -> None:
    # Week year, day of the year, month, millisecond, minute and hour of the half day.
    made = imported(channel(builder(TO, f"DateUtil.getCurrentDate('{form}')")), zone="America/Chicago")
    assert [each.why for each in made.missing] == [f'the date format "{form}" is not carried over']


def test_a_variable_of_several_segments_is_not_put_together_with_anything() -> None:
    result = mapper("result", "msg['OBX']['OBX.5']['OBX.5.1'].toString()")
    made = imported(channel(result + builder(TO, "'=' + $('result')")))
    assert [each.what for each in made.missing] == ["step 1 'a builder' (Message Builder)"]
    assert not imported(channel(result + builder(TO, "$('result')"))).missing


@pytest.mark.parametrize(
    "later",
    [builder("msg['PID'][0]['PID.8']['PID.8.1']", "'U'"), script("msg['PID'] = '';"), script("tidy();")],
)
def test_a_variable_is_not_certain_in_an_iterator_that_changes_its_field_behind_it(later: str) -> None:
    """The second time round the field is another, and the variable is not."""
    sex = mapper("sex", SEX)
    steps = iterator("msg['OBX']", builder("msg['OBX'][i]['OBX.4']['OBX.4.1']", "$('sex')") + later)
    lost = [each.what for each in imported(channel(sex + steps)).missing]
    assert lost[0] == "step 1-0 'a builder' (Message Builder)"
    fine = iterator(
        "msg['OBX']", builder("msg['OBX'][i]['OBX.4']['OBX.4.1']", "$('sex')") + script("var a = 1;")
    )
    assert [each.what for each in imported(channel(sex + fine)).missing] == [
        "step 1-1 'a script' (JavaScript)"
    ]


def test_a_response_of_the_same_name_hides_a_variable() -> None:
    """Mirth looks into the response map before the others where no map is named."""
    sex = mapper("sex", "msg['PID']['PID.8']['PID.8.1'].toString()")
    response = mapper("sex", "'x'", scope="RESPONSE")
    made = imported(channel(sex + response + builder(TO, "$('sex')")))
    assert [each.what for each in made.missing] == [
        "step 1 'sex' (Mapper)",
        "step 2 'a builder' (Message Builder)",
    ]
    made = imported(channel(sex + response, destinations=destination(builder(TO, "$('sex')"))))
    assert len(made.missing) == 2
    for certain in (
        response + builder(TO, "$c('sex')"),
        mapper("sex", "'x'", scope="GLOBAL") + builder(TO, "$('sex')"),
    ):
        assert len(imported(channel(sex + certain)).missing) == 1


def test_javascript_is_quoted_in_full() -> None:
    [text] = imported(channel(script(SCRIPT))).files.values()
    quoted = [
        line.strip().removeprefix("#").strip() for line in text.splitlines() if line.strip().startswith("#")
    ]
    assert [line.strip() for line in SCRIPT.splitlines()] == [line for line in quoted if line][3:]


def test_steps_around_one_that_is_lost_are_carried_over() -> None:
    steps = (
        builder("msg['MSH']['MSH.5']['MSH.5.1']", "'EPIC'")
        + script("x")
        + builder("msg['MSH']['MSH.6']", "'WEST'")
    )
    made = imported(channel(steps))
    assert len(made.missing) == 1
    assert sent(made)["lakeview"].emit().startswith(b"MSH|^~\\&|RX|S1|EPIC|WEST|")


#: Rules that are not certain.
RULES = [
    (rule("msg['PID']['PID.3']['PID.3.5'].toString()", "EQUALS", "'MR'"), "several of PID-3.5"),
    (rule("msg['OBX']['OBX.6']['OBX.6.1'].toString()", "CONTAINS", "'OBX'"), "several of OBX-6.1"),
    (rule(SEX, "EQUALS", "F"), "F is JavaScript"),
    (rule(SEX, "CONTAINS"), "an empty text"),
    (rule("msg['PID']['PID.8']['PID.8.1']", "EXISTS"), "without .toString()"),
    # E4X: an element that is not there equals no text, not even an empty one.
    (rule("msg['PID']['PID.30']['PID.30.1']", "EQUALS", "''"), "with nothing"),
    (rule("msg['PID']['PID.30']['PID.30.1']", "NOT_EQUAL", "'X'", "''"), "with nothing"),
    (rule("msg['PID']['PID.5'].toString()", "EQUALS", "'X'"), "whole field"),
    (script_rule("return msg['PID'].length() > 1;"), "it is JavaScript"),
    (
        iterator(
            "msg['OBX']",
            rule("msg['OBX'][i]['OBX.6']['OBX.6.1'].toString()", "EQUALS", "'kg'"),
            kind="Rule",
            every=True,
        ),
        "all of",
    ),
]


@pytest.mark.parametrize(("rules", "why"), RULES)
def test_a_rule_that_is_not_certain_keeps_every_destination_in_shadow(rules: str, why: str) -> None:
    made = imported(channel(rules=rules + rule(SEX, "EQUALS", "'F'", operator="AND")))
    assert [why in each.why for each in made.missing] == [True], made.missing
    assert [each.refused for each in decided(made).outgoing] == ["shadow: kept, nothing is sent"]
    # What stands beside it under AND still holds.
    assert not decided(made, MESSAGE.replace("|F|", "|M|")).outgoing


def test_beside_or_nothing_of_a_filter_is_left() -> None:
    made = imported(channel(rules=rule(SEX, "EQUALS", "'M'") + script_rule("return x;", "OR")))
    assert [each.what for each in made.missing] == [
        "filter rule 1 'a script' (JavaScript)",
        "filter rule 0 'a rule' (Rule Builder)",
    ]
    assert len(decided(made).outgoing) == 1


def test_only_the_destination_that_lacks_something_is_in_shadow() -> None:
    both = destination(script("x")) + destination(number=2, name="Rush")
    made = imported(channel(destinations=both))
    assert {each.destination: each.refused for each in decided(made).outgoing} == {
        "lakeview": "shadow: kept, nothing is sent",
        "rush": None,
    }
    assert made.missing[0].where == "destination 1 'Lakeview' transformer"


LINES = st.text(
    st.one_of(
        st.sampled_from("\n\t #:-'\"{}[]|>&*!%@`\u2028\u2029\u0085\ufeff"),
        st.characters(exclude_categories=["Cs", "Cc"]),
    ),
    max_size=80,
).filter(lambda each: "\ufffe" not in each and "\uffff" not in each)


@given(LINES, LINES)
def test_no_script_or_name_becomes_anything_but_a_comment(text: str, name: str) -> None:
    steps = script(text, name) + builder(TO, text) + builder("msg['MSH']['MSH.5']['MSH.5.1']", "'EPIC'")
    made = imported(channel(steps, rules=script_rule(f"{text};x()")))
    [found] = made.files.values()
    read = yaml.safe_load(found)
    assert {"MSH-5.1": "EPIC"} in read["map"]
    assert set(read) <= {"channel", "source", "filter", "map", "send_to"}
    assert len(read["map"]) <= 2


PATHS = "msg tmp ['PID'] ['PID.3'] ['PID.3.1'] ['OBX'] ['OBX.5'] ['OBX.5.1'] ['MSH'] ['MSH.9'] [0] [1] [i]"
OTHERS = ".toString() .trim() .toUpperCase() + 'x' ( ) ; ' . , 12 \"it\" 'PID-3' '${x}' '\\n' channelMap.get('v') $('v')"
PIECES = st.lists(
    st.sampled_from([*PATHS.split(), *OTHERS.split(), "DateUtil.getCurrentDate('yyyy')"]), max_size=9
).map("".join)
STEPS = (
    st.sampled_from(["msg['PID']['PID.3']['PID.3.1']", "msg['OBX'][i]['OBX.5']", "tmp['PID']['PID.5']"])
    | PIECES
)


@given(STEPS, STEPS | STEPS.map("{}.toString()".format), PIECES, st.sampled_from(["", "'d'"]))
def test_whatever_stands_in_a_step_the_folder_has_no_mistake(
    target: str, mapping: str, other: str, default: str
) -> None:
    steps = mapper("v", other, default) + builder(target, mapping, default, [("'a'", "'b'")])
    made = imported(
        channel(
            steps + iterator("msg['OBX']", builder(target, mapping)),
            rules=rule(mapping, "EQUALS", other) + rule(other, "NOT_EXIST", operator="OR"),
            destinations=destination(builder(target, mapping), rules=rule("$('v')", "EQUALS", "'x'")),
        ),
        zone="America/Chicago",
    )
    assert decided(made).status in ("RECEIVED", "FILTERED", "ERROR")


VALUES = st.text("ABCdef123 ", max_size=6).map(str.strip)


@given(st.lists(st.none() | VALUES, min_size=1, max_size=4), st.booleans(), VALUES)
def test_a_path_without_indexes_means_the_only_value(
    values: list[str | None], repeats: bool, default: str
) -> None:
    """As E4X has it for one element or none, wherever that stands; of several it is the first."""
    fields = [f"{value}^x" if value is not None else "" for value in values]
    lines = (
        f"PV1|1|O\rZOB|1|{'~'.join(fields)}\r" if repeats else "".join(f"ZOB|1|{each}\r" for each in fields)
    )
    made = imported(channel(builder(TO, "msg['ZOB']['ZOB.2']['ZOB.2.1'].toString()", f"'{default}'")))
    found = sent(made, MESSAGE + lines)["lakeview"]
    assert found.segments[1].field(2).decode() == next(filter(None, values), default)

"""Messages that go through an imported channel come out as the steps and rules of the Mirth channel say."""

from __future__ import annotations

import pytest

from hl7bridge.hl7.path import Path
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


def value(steps: str, path: str, message: str = MESSAGE, zone: str | None = None) -> str:
    """What stands at a path of the message that leaves, where everything was carried over."""
    made = imported(channel(steps), zone=zone)
    assert not made.missing, made.missing
    [leaves] = sent(made, message).values()
    return Path.parse(path).get(leaves).decode()


def leaves(rules: str, message: str = MESSAGE) -> bool:
    made = imported(channel(rules=rules))
    assert not made.missing, made.missing
    return bool(sent(made, message))


TO = "msg['PID']['PID.2']['PID.2.1']"
#: A mapping of Mirth, and what it makes of MESSAGE by the rules of E4X.
MAPPINGS = [
    ("'FIXED'", "FIXED"),
    ('"it\\u0027s"', "it's"),
    ("msg['PID']['PID.8']['PID.8.1'].toString()", "F"),
    ("msg.PID['PID.5']['PID.5.2'].toString()", "JANE"),
    ("msg['PID']['PID.3'][1]['PID.3.1'].toString()", "901"),
    ("msg['PID']['PID.3'][0]['PID.3.1'].toString()", "E77"),
    # Without an index it is the only one there is; of several E4X makes XML, and the import takes the first.
    ("msg['PID']['PID.3']['PID.3.1'].toString()", "E77"),
    ("msg['OBX']['OBX.5']['OBX.5.1'].toString()", "180"),
    ("msg['OBX']['OBX.9']['OBX.9.1'].toString()", "0.5"),
    ("msg['OBX'][1]['OBX.5']['OBX.5.1'].toString()", "81"),
    (
        "msg['PID']['PID.5']['PID.5.2'].toString() + ' ' + msg['PID']['PID.5']['PID.5.1'].toString()",
        "JANE ALEXANDER",
    ),
    ("msg['PID']['PID.30']['PID.30.1'].toString() + '/' + msg['PID']['PID.29']['PID.29.1'].toString()", "/"),
    ("msg['PID']['PID.5']['PID.5.2'].toString().toLowerCase()", "jane"),
    (
        "(msg['PV1']['PV1.3']['PV1.3.1'].toString() + '-' + msg['PV1']['PV1.3']['PV1.3.2'].toString());",
        "NORTH-12",
    ),
    ("msg['PID']['PID.30']['PID.30.1'].toString()", ""),
    ("", ""),
]


@pytest.mark.parametrize(("mapping", "wanted"), MAPPINGS)
def test_a_message_builder_step_writes_what_its_mapping_says(mapping: str, wanted: str) -> None:
    assert value(builder(TO, mapping), "PID-2.1") == wanted


def test_a_default_stands_where_there_is_no_value() -> None:
    assert value(builder(TO, "msg['PID']['PID.30']['PID.30.1'].toString()", "'keep'"), "PID-2.1") == "keep"
    assert value(builder(TO, "msg['PID']['PID.8']['PID.8.1'].toString()", "'U'"), "PID-2.1") == "F"


def test_replacements_are_those_of_java() -> None:
    born = "msg['PID']['PID.7']['PID.7.1'].toString()"
    assert (
        value(builder(TO, born, "", [(r"'(\\d{4})(\\d\\d)(\\d\\d)'", "'$2/$3/$1'")]), "PID-2.1")
        == "02/14/1948"
    )
    assert value(builder(TO, born, "", [("'^19'", "'20'"), ("'4'", "''")]), "PID-2.1") == "208021"
    # Mirth replaces in the default, too.
    nothing = "msg['PID']['PID.30']['PID.30.1'].toString()"
    assert value(builder(TO, nothing, "'UNKNOWN'", [("'UN'", "''")]), "PID-2.1") == "KNOWN"


def test_a_variable_of_a_mapper_is_put_in_where_it_is_used() -> None:
    mrn = mapper("mrn", "msg['PID']['PID.3'][1]['PID.3.1'].toString()", "'none'")
    for use in ("channelMap.get('mrn')", "$('mrn')", "$c('mrn')"):
        assert value(mrn + builder(TO, use), "PID-2.1") == "901"
    both = mapper("sex", "msg['PID']['PID.8']['PID.8.1'].toString()", scope="CONNECTOR")
    assert value(both + builder(TO, "$co('sex') + 'X'"), "PID-2.1") == "FX"


def test_a_variable_of_the_source_is_known_to_destinations() -> None:
    source = mapper("mrn", "msg['PID']['PID.3'][0]['PID.3.1'].toString()")
    made = imported(channel(source, destinations=destination(builder(TO, "$('mrn')"))))
    assert not made.missing
    assert Path.parse("PID-2.1").get(sent(made)["lakeview"]) == b"E77"


@pytest.mark.parametrize(
    ("own", "other", "certain"),
    [
        ("", builder(TO, "'x'"), True),
        ("", mapper("other", "'x'"), True),
        ("", mapper("mrn", "'x'"), False),
        ("", script("$c('mrn', 'x');"), False),
        ("", script("setAll();"), False),
        (script_rule("channelMap.put('mrn', 'x'); return true;"), "", False),
    ],
)
def test_a_variable_that_another_destination_may_set_is_not_certain(
    own: str, other: str, certain: bool
) -> None:
    source = mapper("mrn", "msg['PID']['PID.3'][0]['PID.3.1'].toString()")
    both = destination(other, number=1, name="First") + destination(
        builder(TO, "$('mrn')"), number=2, rules=own
    )
    made = imported(channel(source, destinations=both))
    assert any("a builder" in each.what and "Lakeview" in each.where for each in made.missing) is not certain


def test_a_variable_is_not_certain_once_its_field_has_changed() -> None:
    steps = (
        mapper("sex", "msg['PID']['PID.8']['PID.8.1'].toString()")
        + builder("msg['PID']['PID.8']['PID.8.1']", "'U'")
        + builder(TO, "$('sex')")
    )
    made = imported(channel(steps))
    assert [each.what for each in made.missing] == ["step 2 'a builder' (Message Builder)"]
    assert "changes the field" in made.missing[0].why


@pytest.mark.parametrize(
    ("text", "certain"),
    [
        ("logger.info('here');", True),
        ("var a = 1; if (a > 0) { channelMap.put('other', 'x'); }", True),
        ("msg['PV1']['PV1.2']['PV1.2.1'] = 'I';", True),
        ("msg['PID']['PID.8']['PID.8.1'] = 'U';", False),
        ("channelMap.put('sex', 'U');", False),
        ("channelMap.put('se' + 'x', 'U');", False),
        ("channelMap.put(name, 'U');", False),
        ("tidy();", False),
        # Code templates may be gathered in an object.
        ("Tidy.names();", False),
        ("Tidy['names']();", False),
        ("(0, tidy)();", False),
        ("var s = msg['PV1']['PV1.2'].toString().trim().substring(0, 1); logger.info(s);", True),
        ("var m = msg; m['PID'] = '';", False),
        ("eval(code)", False),
    ],
)
def test_a_script_in_between_makes_a_variable_doubtful_unless_it_surely_leaves_it(
    text: str, certain: bool
) -> None:
    steps = (
        mapper("sex", "msg['PID']['PID.8']['PID.8.1'].toString()") + script(text) + builder(TO, "$('sex')")
    )
    made = imported(channel(steps))
    lost = [] if certain else ["step 2 'a builder' (Message Builder)"]
    assert [each.what for each in made.missing][1:] == lost


def test_a_whole_field_that_is_written_has_no_other_repetitions() -> None:
    """E4X takes the other elements of that name away (ECMA-357, 9.1.1.2); what a step clears must not leave in part."""
    assert value(builder("msg['PID']['PID.3']", "''"), "PID-3[2].1") == ""
    assert value(builder("msg['PID']['PID.3']", "'7^^^OURS'"), "PID-3[2].1") == ""
    assert value(builder("msg['PID']['PID.3']", "'7^^^OURS'"), "PID-3[1].4") == "OURS"
    sex = "msg['PID']['PID.8']['PID.8.1'].toString()"
    assert value(builder("msg['PID']['PID.3']", sex), "PID-3[1].1") == "F"
    # With an index it is that repetition alone.
    assert value(builder("msg['PID']['PID.3'][0]", "'7'"), "PID-3[2].1") == "901"
    each = iterator("msg['OBX']", builder("msg['OBX'][i]['OBX.5']", "'x'"))
    several = MESSAGE.replace("|81|", "|81~82|")
    assert value(each, "OBX[2]-5[2]", several) == ""
    assert value(each, "OBX[1]-5", several) == "x"


def test_only_the_first_segment_loses_its_other_repetitions() -> None:
    several = MESSAGE.replace("|81|", "|81~82|").replace("|180|", "|180~181|")
    steps = builder("msg['OBX']['OBX.5']", "'x'")
    assert value(steps, "OBX[1]-5[2]", several) == ""
    assert value(steps, "OBX[1]-5[1]", several) == "x"
    assert value(steps, "OBX[2]-5[2]", several) == "82"


@pytest.mark.parametrize(
    "target", ["msg['PID']['PID.3']['PID.3.1']", "msg['OBX']['OBX.6']['OBX.6.1']", "msg['OBX']['OBX.6']"]
)
def test_a_target_that_may_be_several_is_to_be_looked_at(target: str) -> None:
    """E4X throws where a list of more than one element is written to (ECMA-357, 9.2.1.2)."""
    said = [each.what for each in imported(channel(builder(target, "'x'"))).remarks]
    assert any("Mirth stops with an error; here it is the first" in each for each in said)
    assert not any("Mirth writes XML" in each for each in said)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("msg['OBX'][2]['OBX.4']['OBX.4.1']", True),
        ("msg['OBX'][0]['OBX.4']['OBX.4.1']", True),
        ("msg['PID']['PID.3'][4]['PID.3.1']", True),
        ("msg['PID']['PID.3'][0]['PID.3.1']", False),
        ("msg['PID'][0]['PID.8']['PID.8.1']", False),
        ("msg['ZAB']['ZAB.2']['ZAB.2.1']", False),
    ],
)
def test_an_index_that_a_message_may_not_have_is_to_be_looked_at(target: str, said: bool) -> None:
    """In E4X what has no such index is undefined, and to write into it is an error; here it is made."""
    remarks = [each.what for each in imported(channel(builder(target, "'x'"))).remarks]
    assert any("a message has not so many" in each for each in remarks) is said


def test_an_iterator_goes_through_every_segment() -> None:
    steps = iterator(
        "msg['OBX']",
        builder("msg['OBX'][i]['OBX.4']['OBX.4.1']", "msg['OBX'][i]['OBX.3']['OBX.3.2'].toString()")
        + builder("msg['OBX'][i]['OBX.14']['OBX.14.1']", "msg['PID']['PID.8']['PID.8.1'].toString()"),
    )
    assert value(steps, "OBX[1]-4") == "Height"
    assert value(steps, "OBX[2]-4") == "Weight"
    assert value(steps, "OBX[2]-14") == "F"


def test_a_variable_of_the_patient_is_the_same_for_every_segment() -> None:
    sex = mapper("sex", "msg['PID']['PID.8']['PID.8.1'].toString()")
    steps = sex + iterator("msg['OBX']", builder("msg['OBX'][i]['OBX.4']['OBX.4.1']", "$('sex')"))
    assert (value(steps, "OBX[1]-4"), value(steps, "OBX[2]-4")) == ("F", "F")


def test_an_iterator_goes_through_every_repetition() -> None:
    steps = iterator(
        "msg['PID']['PID.3']",
        builder(
            "msg['PID']['PID.3'][i]['PID.3.4']['PID.3.4.1']", "msg['PID']['PID.3'][i]['PID.3.5'].toString()"
        ),
    )
    assert value(steps, "PID-3[1].4") == "MR"
    assert value(steps, "PID-3[2].4") == "PI"


TEMPLATE = "MSH|^~\\&|OURS||THEIRS||||ORU^R01||P|2.3\nPID|1||\nZPH|x^y"


def test_an_outbound_template_is_what_leaves() -> None:
    steps = (
        builder("tmp['MSH']['MSH.10']['MSH.10.1']", "msg['MSH']['MSH.10']['MSH.10.1'].toString()")
        + builder("tmp['PID']['PID.3']['PID.3.1']", "msg['PID']['PID.3'][1]['PID.3.1'].toString()")
        + builder("tmp['ZPH']['ZPH.2']['ZPH.2.1']", "tmp['ZPH']['ZPH.1'][0]['ZPH.1.2'].toString()")
    )
    made = imported(channel(destinations=destination(steps, template=TEMPLATE)))
    assert not made.missing
    assert sent(made)["lakeview"].emit().decode() == (
        "MSH|^~\\&|OURS||THEIRS||||ORU^R01|4711|P|2.3\rPID|1||901\rZPH|x^y|y\r"
    )


def test_a_variable_of_the_source_reaches_a_template_from_the_old_message() -> None:
    source = mapper("mrn", "msg['PID']['PID.3'][0]['PID.3.1'].toString()")
    steps = builder("tmp['PID']['PID.2']['PID.2.1']", "$('mrn')")
    made = imported(channel(source, destinations=destination(steps, template=TEMPLATE)))
    assert not made.missing
    assert Path.parse("PID-2").get(sent(made)["lakeview"]) == b"E77"


def test_the_time_is_that_of_mirths_zone() -> None:
    steps = builder("msg['MSH']['MSH.7']['MSH.7.1']", "DateUtil.getCurrentDate('yyyyMMddHHmmss')")
    assert value(steps, "MSH-7", zone="America/New_York") == "20261122123000"
    assert "--zone" in imported(channel(steps)).missing[0].why


TYPE = "msg['MSH']['MSH.9']['MSH.9.1'].toString()"
SEX = "msg['PID']['PID.8']['PID.8.1'].toString()"
NONE = "msg['PID']['PID.30']['PID.30.1'].toString()"
EACH = "msg['OBX'][i]['OBX.6']['OBX.6.1'].toString()"
RULES = [
    (rule(TYPE, "EQUALS", "'ADT'"), True),
    (rule(TYPE, "EQUALS", "'ORU'", '"ADT"'), True),
    (rule(TYPE, "EQUALS", "'ORU'"), False),
    (rule(TYPE, "NOT_EQUAL", "'ORU'", "'RDE'"), True),
    (rule(TYPE, "NOT_EQUAL", "'ORU'", "'ADT'"), False),
    (rule(TYPE, "CONTAINS", "'D'", "'x'"), True),
    (rule(TYPE, "CONTAINS", "'.'"), False),
    (rule(TYPE, "NOT_CONTAIN", "'X'", "'Y'"), True),
    (rule(TYPE, "NOT_CONTAIN", "'X'", "'DT'"), False),
    (rule(SEX, "EXISTS"), True),
    (rule(NONE, "EXISTS"), False),
    (rule(NONE, "NOT_EXIST"), True),
    (rule(NONE, "EQUALS", "''"), True),
    (rule(NONE, "EQUALS"), True),
    (rule(SEX, "EQUALS", "''"), False),
    (rule(SEX, "EQUALS", "''", "'F'"), True),
    (rule(SEX, "NOT_EQUAL", "''"), True),
    (rule(SEX, "NOT_EQUAL", "''", "'F'"), False),
    (rule(SEX, "EQUALS", "'present'"), False),
    (rule("msg['PID']['PID.3'][1]['PID.3.5'].toString()", "EQUALS", "'PI'"), True),
    (rule("msg['PID']['PID.3'][0]['PID.3.5'].toString()", "EQUALS", "'PI'"), False),
    (rule("msg['OBX'][0]['OBX.6']['OBX.6.1'].toString()", "EQUALS", "'kg'"), False),
    (rule("msg['OBX']['OBX.6']['OBX.6.1'].toString()", "EXISTS"), True),
    (rule("msg['OBX']['OBX.6']['OBX.6.1'].toString()", "CONTAINS", "'kg'"), True),
    (rule("msg['OBX']['OBX.6']['OBX.6.1'].toString()", "NOT_CONTAIN", "'kg'"), False),
    # && binds tighter than ||, as in JavaScript.
    (rule(TYPE, "EQUALS", "'ADT'") + rule(SEX, "EQUALS", "'M'", operator="AND"), False),
    (rule(TYPE, "EQUALS", "'ADT'") + rule(SEX, "EQUALS", "'M'", operator="OR"), True),
    (
        rule(TYPE, "EQUALS", "'ADT'")
        + rule(SEX, "EQUALS", "'F'", operator="OR")
        + rule(NONE, "EXISTS", operator="AND"),
        True,
    ),
    (
        rule(TYPE, "EQUALS", "'ORU'")
        + rule(SEX, "EQUALS", "'F'", operator="OR")
        + rule(NONE, "EXISTS", operator="AND"),
        False,
    ),
    (rule(SEX, "EQUALS", "'F'") + rule(SEX, "NOT_EQUAL", "'M'", operator="AND"), True),
    (rule(SEX, "EQUALS", "'M'", on=False), True),
    (script_rule("// all of them\nreturn true;"), True),
    (rule(SEX, "EQUALS", "'M'") + script_rule("return true;", "OR"), True),
    (
        iterator(
            "msg['OBX']",
            rule(EACH, "EQUALS", "'kg'"),
            kind="Rule",
            every=False,
        ),
        True,
    ),
    (
        iterator(
            "msg['OBX']",
            rule(EACH, "NOT_EQUAL", "'kg'"),
            kind="Rule",
            every=True,
        ),
        False,
    ),
]


@pytest.mark.parametrize(("rules", "wanted"), RULES)
def test_rules_accept_what_they_accepted(rules: str, wanted: bool) -> None:
    assert leaves(rules) is wanted


def test_a_destinations_filter_sees_what_the_source_made() -> None:
    made = imported(
        channel(
            builder("msg['PID']['PID.8']['PID.8.1']", "'U'"),
            destinations=destination(rules=rule(SEX, "EQUALS", "'U'"))
            + destination(rules=rule(SEX, "EQUALS", "'F'"), number=2, name="Rush"),
        )
    )
    assert list(sent(made)) == ["lakeview"]


@pytest.mark.parametrize(
    ("behaviour", "ids", "wanted"),
    [("REMOVE", [1], ["rush"]), ("REMOVE_ALL_EXCEPT", [1], ["lakeview"]), ("REMOVE_ALL", [], [])],
)
def test_a_destination_set_filter_takes_destinations_away(
    behaviour: str, ids: list[int], wanted: list[str]
) -> None:
    both = destination() + destination(number=2, name="Rush")
    made = imported(channel(set_filter(behaviour, ids, SEX, "EQUALS", "'F'"), destinations=both))
    assert not made.missing
    assert list(sent(made)) == wanted
    other = imported(channel(set_filter(behaviour, ids, SEX, "EQUALS", "'M'"), destinations=both))
    assert list(sent(other)) == ["lakeview", "rush"]


def test_a_destination_set_filter_before_a_change_of_its_field_is_not_certain() -> None:
    steps = set_filter("REMOVE", [1], SEX, "EQUALS", "'F'") + builder("msg['PID']['PID.8']['PID.8.1']", "'U'")
    made = imported(channel(steps))
    assert ["Destination Set Filter" in each.what for each in made.missing] == [True]
    assert "NOT CARRIED OVER: step 0 'chosen'" in made.files["adt-feed.yaml"]
    assert [each.refused for each in decided(made).outgoing] == ["shadow: kept, nothing is sent"]


def test_training_messages_leave_too_as_mirth_sends_them() -> None:
    assert sent(imported(channel()), MESSAGE.replace("|P|", "|T|"))

"""Every mistake of a folder is named at once, with its place, the nearest right word and what to do; none is
a traceback.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from hl7bridge.channel.loading.folder import load
from hl7bridge.channel.written.mistake import ConfigurationErrors

Find = Callable[..., list[str]]
OUT = b"destination: out\nsend: {mllp: {host: 127.0.0.1, port: 6000}}\n"
AFFILIATE = """affiliate: medstar
agreement: {clinic: 2014-06-01}
send: {mllp: {host: h, port: 1}}
"""


def test_all_mistakes_of_a_folder_are_named_at_once(mistakes: Find) -> None:
    found = mistakes(
        {
            "c.yaml": (
                b"channel: c\n"
                b"source: {mllp: {prot: 2575}}\n"
                b"acept: [RDE^O11]\n"
                b"filter: {PDI-3: present, ORC-1: {nott: CA}}\n"
                b"map:\n"
                b"  - PID-5: {from: PID-5, case: uper}\n"
                b"  - PID-10: {from: PID-10.1, table: rase}\n"
                b"send_to: [uot]\n"
            ),
            "destinations/out.yaml": OUT,
            "tables/race.csv": b"a,b\n1,2\n",
        }
    )
    assert found == [
        "c.yaml:2:16: mllp needs port; the TCP port to listen on",
        "c.yaml:2:17: 'prot' is not a key of mllp; did you mean port?",
        "c.yaml:3:1: 'acept' is not a key of a channel; did you mean accept?",
        "c.yaml:4:10: HL7 has no segment PDI; did you mean PID?",
        "c.yaml:4:34: 'nott' is not an operator; did you mean not?",
        "c.yaml:6:32: the text 'uper' is none of upper, lower, title; did you mean upper?",
        "c.yaml:7:37: there is no table 'rase'; did you mean race?",
        "c.yaml:8:11: there is no destination 'uot'; did you mean out?",
    ]


def test_a_channel_that_is_no_yaml_is_not_missed_by_its_tests_too(mistakes: Find) -> None:
    [found] = mistakes(
        {
            "c.yaml": b"channel: c\nmap:\n\t- MSH-3: X\n",
            "c.test.yaml": b"- {name: x, message: y, answer: AA}\n",
        }
    )
    assert found.startswith("c.yaml:3:1: this is not YAML")


def test_a_class_that_no_ingredient_is_in_is_named_since_nobody_would_be_alerted(mistakes: Find) -> None:
    alerts = "alerts: {classes: [statin, diabetes]}\n"
    files = {
        "affiliates/medstar.yaml": (AFFILIATE + "roster: rosters/medstar.csv\n" + alerts).encode(),
        "rosters/medstar.csv": b"id,authority\n",
        "tables/medicines.csv": b"code,system,ingredients\n",
        "tables/ingredients.csv": b"rxcui,name,classes\n1,a,statins\n2,b,diabetes RASA\n",
    }
    assert mistakes(files) == [
        "affiliates/medstar.yaml:5:20: no ingredient is in the class 'statin'; did you mean statins?"
    ]
    del files["tables/ingredients.csv"], files["tables/medicines.csv"]
    assert mistakes(files) == [], "without the table nothing is known of classes"


@pytest.mark.parametrize(
    "alerts",
    [
        "alerts: {two_medicines: [RASA, statin]}",
        "alerts: {days_covered_by_class: {Diabetes: 85, statin: 90}}",
        "alerts: {excluded_by: {statin: diabetes}}",
        "alerts: {excluded_by: {diabetes: statin}}",
    ],
)
def test_so_is_a_class_in_whatever_else_names_one(mistakes: Find, alerts: str) -> None:
    files = {
        "affiliates/medstar.yaml": (AFFILIATE + alerts + "\n").encode(),
        "tables/ingredients.csv": b"rxcui,name,classes\n1,a,statins\n2,b,diabetes RASA\n",
    }
    assert mistakes(files) == [
        f"affiliates/medstar.yaml:4:{alerts.index('statin') + 1}: no ingredient is in the class 'statin'; did you mean statins?"
    ]


def agreeing(scopes: str, route: str = "labs") -> dict[str, bytes]:
    """A folder with a channel that sends under `route`, and an affiliate besides one that spells it right."""
    right = AFFILIATE.replace("medstar", "rush").replace("clinic", route)
    return {
        "c.yaml": f"channel: c\nsource: {{mllp: {{port: 2575}}}}\nsend_to: [{{affiliates: {route}}}]\n".encode(),
        "affiliates/rush.yaml": right.encode(),
        "affiliates/medstar.yaml": AFFILIATE.replace("clinic: 2014-06-01", scopes).encode(),
    }


@pytest.mark.parametrize(
    ("scope", "near"),
    [("pharmcy", "pharmacy"), ("Clinic", "clinic"), ("clinci", "clinic"), ("lab", "labs"), ("lasb", "labs")],
)
def test_a_scope_with_a_slip_in_it_is_named_since_it_would_share_nothing(
    mistakes: Find, scope: str, near: str
) -> None:
    files = agreeing(f"labs: 2026-01-01, {scope}: 2026-01-01")
    assert mistakes(files) == [
        f"affiliates/medstar.yaml:2:31: nothing is sent under '{scope}'; did you mean {near}?"
    ]
    assert load(files, kept=True).affiliates["medstar"].affiliate.agreement.keys() == {"labs", scope}


@pytest.mark.parametrize("scope", ["imaging", "clinic-labs", "pharmacy-340b", "clinic2"])
def test_a_scope_that_no_channel_sends_yet_is_what_the_contract_says(mistakes: Find, scope: str) -> None:
    assert mistakes(agreeing(f"clinic: 2014-06-01, pharmacy: 2016-01-01, {scope}: 2026-01-01")) == []


def test_the_only_agreement_with_a_slip_in_it_is_not_held_against_the_channel(mistakes: Find) -> None:
    files = agreeing("pharmcy: 2026-01-01", route="pharmacy")
    del files["affiliates/rush.yaml"]
    assert mistakes(files) == [
        "affiliates/medstar.yaml:2:13: nothing is sent under 'pharmcy'; did you mean pharmacy?",
        "c.yaml:3:24: no affiliate's agreement covers 'pharmacy'; write agreement: {pharmacy: 2026-01-01} in an affiliate's file",
    ]


def test_where_a_channel_cannot_be_read_nobody_knows_what_it_sends(mistakes: Find) -> None:
    [found] = mistakes({**agreeing("lab: 2026-01-01"), "d.yaml": b"send_to:\n\t- affiliates: lab\n"})
    assert "this is not YAML" in found


@pytest.mark.parametrize(
    ("body", "line"),
    [
        # the programme
        ("programe: {}", r"c.yaml:3:1: 'programe' is not a key of a channel; did you mean programme\?"),
        ("programme: {days_suply: TQ1-6}", r"c.yaml:3:13: 'days_suply' .* did you mean days_supply\?"),
        (
            "programme: {settle: 5m}",
            r"c.yaml:3:13: 'settle' is not a key of programme; it belongs in hl7bridge.yaml: programme: \{settle: \.\.\.\}$",
        ),
        ("programme: {days_supply: TQ1}", r"c.yaml:3:26: TQ1 is a segment, not a field; name a field: TQ1-1"),
        ("programme: {store: {from: MSH-4}}", r"c.yaml:3:\d+: a set of keys stands where a path belongs"),
        ("programme: {returned: ORC-1}", r"c.yaml:3:\d+: the text 'ORC-1' stands where conditions belong"),
        ("programme: {filled: count}", r"c.yaml:3:21: .* did you mean counts\?"),
        (
            "programme: {sold: {FT1: present}, filled: counts}",
            r"c.yaml:3:43: a feed that says what is sold leaves nothing for filled to say",
        ),
        # YAML itself
        ("map:\n\t- MSH-5: A", r"c.yaml:4:1: this is not YAML: .*; indent with spaces, not with tabs"),
        ("filter: {PID-3[5=PI].1: present}", r"c.yaml:3:15: .*inside \{\} and \[\] a path with \[ is quoted"),
        ("map: [{MSH-6: ${env.SITE}}]", r"c.yaml:3:\d+: .*a text with \$\{\.\.\.\} is quoted"),
        ('map: [{PID-3: {from: PID-3, replace: ["\\D", ""]}}]', r"c.yaml:3:.*in 'single quotes'"),
        ("description: a: b", r"c.yaml:3:15: .*quote a text that holds ': '"),
        ("description: 'open", r"c.yaml:.*"),
        ("description: *x", r"c.yaml:3:14: .*quote the text if an asterisk was meant"),
        ("accept: &a [*a]", r"c.yaml:3:13: \*a stands inside itself"),
        ("description: !!python/object:os.system x", r"c.yaml:3:14: the tag .* is not read"),
        ("<<: {a: b}", r"c.yaml:3:1: the merge key << is not read"),
        ("? [a, b]\n: c", r"c.yaml:3:3: a list cannot be a key"),
        (
            "lenient: true\nlenient: false",
            r"c.yaml:4:1: 'lenient' stands a second time; it is given in line 3; take one away$",
        ),
        (
            "map: [{MSH-5: A, MSH-5: B}]",
            r"c.yaml:3:18: 'MSH-5' stands a second time; .*; a field that is named twice needs two list items$",
        ),
        ("---\nchannel: d", r"c.yaml:3:1: a second document starts here"),
        # settings
        ("lenient: maybe", r"c.yaml:3:10: the text 'maybe' is neither true nor false"),
        ("accept: RDE^O1", r"c.yaml:3:9: the text 'RDE\^O1' is not a message type"),
        ("accept: [RDE]", r"c.yaml:3:10: .*; 'RDE\^\*' takes all its events"),
        ("accept: [rde^o11]", r"c.yaml:3:10: .*; did you mean RDE\^O11\?"),
        ("accept: []", r"c.yaml:3:9: the list is too short"),
        ("accept: {a: b}", r"c.yaml:3:9: a set of keys stands where"),
        ("split: {each: OBR-1}", r"c.yaml:3:15: OBR-1 is not the name of a segment"),
        ("split: OBR", r"c.yaml:3:8: the text 'OBR' stands where the keys of split belong"),
        ("errors: {answer: AB}", r"c.yaml:3:18: the text 'AB' is none of AE, AA, AR"),
        # conditions
        ("filter: {}", r"c.yaml:3:9: there is no condition here"),
        ("filter: PID-3", r"c.yaml:3:9: .*stands where conditions belong"),
        ("filter: {PID-3: }", r"c.yaml:3:1[67]: an empty text is compared with nothing; write absent"),
        ("filter: {PID-3: []}", r"c.yaml:3:17: the list is empty"),
        ("filter: {PID-3: {matches: '['}}", r"c.yaml:3:27: this is not a regular expression"),
        ("filter: {PID-3: {in_table: nil}}", r"c.yaml:3:28: there is no table 'nil'"),
        ("filter: {PID-7: {before: soon}}", r"c.yaml:3:26: .*neither a date nor a time"),
        ("filter: {PID-7: {after: 2026-13-01}}", r"c.yaml:3:25: .*neither a date nor a time"),
        ("filter: {PID-7: {between: [2026-01-01]}}", r"c.yaml:3:27: between needs a list of two"),
        ("filter: {PID-7: {between: [2026-01-01, '07:00']}}", r"c.yaml:3:27: between has a date and a time"),
        ("filter: {OBX-5: {at_least: many}}", r"c.yaml:3:28: the text 'many' is not a number"),
        ("filter: {OBX-5: {longer_than: -1}}", r"c.yaml:3:31: .*is not a length"),
        ("filter: {OBX-5: {at_least: 1, at_most: 2}}", r"c.yaml:3:17: one operator stands here"),
        ("filter: {MSH-333: present}", r"c.yaml:3:10: MSH has no field 333; look at the number"),
        ("map: [{PID-5: {from: PID-500.1}}]", r"c.yaml:3:\d+: PID has no field 500"),
        ("map: [{MSH-100: x}]", r"c.yaml:3:8: MSH has no field 100"),
        ("filter: {PID: yes}", r"c.yaml:3:15: a segment is present or absent"),
        ("filter: {'PID-3[+]': x}", r"c.yaml:3:10: \[\+\] makes a repetition"),
        ("filter: {it.1: x}", r"c.yaml:3:10: 'it' means nothing here"),
        ("filter: {any: []}", r"c.yaml:3:15: any has nothing to choose from"),
        ("filter: {received: today}", r"c.yaml:3:20: received is compared with before, after or between"),
        ("filter: {recieved: {after: '07:00'}}", r"c.yaml:3:10: .*did you mean received\?"),
        ("filter: {PID-3: '${affiliate.x}'}", r"c.yaml:3:17: the channel c is not an affiliate"),
        ("filter: {PID-0: x}", r"c.yaml:3:10: the path 'PID-0' cannot be read"),
        ("filter: {pid-3: x}", r"c.yaml:3:10: .*"),
        # maps
        ("map: [MSH-5]", r"c.yaml:3:7: the text 'MSH-5' stands where a step belongs"),
        ("map: [{}]", r"c.yaml:3:7: this step does nothing"),
        ("map: [{MSH-5: }]", r"c.yaml:3:1[45]: nothing stands here; write '' to empty the field"),
        ("map: [{MSH-5: [A]}]", r"c.yaml:3:15: a list stands where a value belongs"),
        ("map: [{MSH-5: 'A|B'}]", r"c.yaml:3:15: a field cannot hold a '\|'"),
        ('map: [{MSH-5: "A\\nB"}]', r"c.yaml:3:15: a field cannot hold a line end"),
        ("map: [{MSH-2: x}]", r"c.yaml:3:8: MSH-2 declares the delimiters"),
        ("map: [{PID: x}]", r"c.yaml:3:8: PID is a segment, not a field"),
        (
            "map: [{PID-3: {form: PID-2}}]",
            r"c.yaml:3:16: 'form' is not a word of mappings; did you mean from\?",
        ),
        ("map: [{PID-3: {case: upper}}]", r"c.yaml:3:15: a value needs exactly one of from, join"),
        ("map: [{PID-3: {from: PID}}]", r"c.yaml:3:22: PID is a segment, not a field"),
        ("map: [{PID-3: {from: original.PID-3}}]", r"c.yaml:3:22: there is no original here"),
        (
            "map: [{PID-3: {from: 'NTE[*]-3'}}]",
            r"c.yaml:3:22: .* means several values and PID-3 is one place",
        ),
        (
            "map: [{PID-5: {from: PID-5, case: upper}}]",
            r"c.yaml:3:29: case works on text, and PID-5 has components",
        ),
        (
            "map: [{PID-3: {from: PID-2, replace: ['[', x]}}]",
            r"c.yaml:3:39: this is not a regular expression",
        ),
        (
            "map: [{PID-3: {from: PID-2.1, replace: [a, '\\2']}}]",
            r"c.yaml:3:44: this cannot replace anything",
        ),
        ("map: [{PID-3: {from: PID-2.1, replace: [a]}}]", r"c.yaml:3:40: replace takes a pattern"),
        ("map: [{PID-7: {from: PID-7, date: YYYYQQ}}]", r"c.yaml:3:35: .*is not a format of dates"),
        ("map: [{PID-7: {from: PID-7, column: x}}]", r"c.yaml:3:29: column belongs to table"),
        ("map: [{PID-7: {from: PID-7, with: x}}]", r"c.yaml:3:29: with belongs to join"),
        ("map: [{PID-7: {first_of: PID-7}}]", r"c.yaml:3:26: first_of takes a list"),
        ("map: [{PID-7: {join: [a, b]}}]", r"c.yaml:3:22: nothing here comes from the message"),
        ("map: [{MSH-5: '${env.NOPE}'}]", r"c.yaml:3:15: the environment has no NOPE"),
        ("map: [{MSH-5: '${evn.SITE}'}]", r"c.yaml:3:15: \$\{evn.SITE\} is not known"),
        ("map: [{where: {ORC-1: CA}, ORC-5: CA}]", r"c.yaml:3:8: where chooses among each"),
        ("map: [{each: PID-3, PID-2: x}]", r"c.yaml:3:14: .*one value, and each goes through several"),
        ("map: [{remove: run}]", r"c.yaml:3:16: there is no run here"),
        ("map: [{remove: MSH}]", r"c.yaml:3:16: MSH holds the message together"),
        ("map: [{remove: []}]", r"c.yaml:3:16: there is nothing to remove"),
        ("map: [{keep: PID-3}]", r"c.yaml:3:14: PID-3 does not choose among repetitions"),
        ("map: [{keep: NTE}]", r"c.yaml:3:14: this keeps every one"),
        ("map: [{renumber: 'OBX[2]-1'}]", r"c.yaml:3:18: renumber takes one field"),
        ("map: [{renumber: OBX-1, within: OBR-1}]", r"c.yaml:3:33: OBR-1 is not the name of a segment"),
        ("map: [{within: OBR, MSH-5: A}]", r"c.yaml:3:8: within belongs to renumber"),
        ("map: [{add: MSH}]", r"c.yaml:3:13: a message has one header"),
        ("map: [{add: NTE, 'NTE[2]-1': 1}]", r"c.yaml:3:18: the segment that is added needs no brackets"),
        ("map: [{add: NTE, remove: PID}]", r"c.yaml:3:18: remove and add are two steps"),
        ("map: [{new: ORU}]", r"c.yaml:3:13: the text 'ORU' is not a message type"),
        (
            "map: [{each: OBX, do: [{new: ORU^R01}]}]",
            r"c.yaml:3:30: new makes another message of the whole one",
        ),
        ("map: [{MHS-5: A}]", r"c.yaml:3:8: HL7 has no segment MHS; did you mean MSH\?"),
        (
            "map: [{ecah: OBX, OBX-1: 1}]",
            r"c.yaml:3:8: 'ecah' is neither a path nor a step; did you mean each\?",
        ),
        ("map: [{python: hook}]", r"c.yaml:3:16: 'hook' does not name a function"),
        ("map: [{python: nofile:f}]", r"c.yaml:3:16: there is no file nofile.py in this folder"),
        ("map: [{python: hook:fixx}]", r"c.yaml:3:16: hook.py has no function fixx; did you mean fix\?"),
    ],
)
def test_a_mistake_in_a_channel(mistakes: Find, body: str, line: str) -> None:
    found = mistakes(body, {"hook.py": b"def fix(message):\n    pass\n"})
    assert any(re.match(line, each) for each in found), found


@pytest.mark.parametrize(
    ("name", "data", "line"),
    [
        ("empty.yaml", b"", "empty.yaml:1:1: the file is empty"),
        ("blank.yaml", b"# only this\n", "blank.yaml:1:1: the file holds only comments"),
        ("latin.yaml", b"channel: d\ndescription: M\xfcller\n", "latin.yaml:2:15: this byte is not UTF-8"),
        ("nul.yaml", b"channel: d\x00\n", "nul.yaml:1:11: this is not YAML"),
        ("list.yaml", b"- a\n", "list.yaml:1:1: a list stands where a channel"),
        (
            "odd.yaml",
            b"chanel: d\n",
            "odd.yaml:1:1: this file does not say what it is; did you mean channel?",
        ),
        ("deep.yaml", b"channel: " + b"[" * 100 + b"]" * 100, "deep.yaml:1:69: nested more than 60 deep"),
        (
            "bomb.yaml",
            b"a: &a [x]\n"
            + b"".join(
                b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 10)) for n in range(9)
            ),
            "bomb.yaml:6:",
        ),
        ("tables/t.csv", b"", "tables/t.csv:1:1: the table is empty"),
        (
            "tables/t.csv",
            b"a,b\n1\n",
            "tables/t.csv:2:1: this row has too few cells: 1 where the header has 2",
        ),
        ("tables/t.csv", b"a,b\n1,2,3\n", "tables/t.csv:2:1: this row has too many cells"),
        (
            "tables/t.csv",
            b"a,b\n1,2\n1,3\n",
            "tables/t.csv:3:1: '1' stands a second time; it is already in line 2",
        ),
        ("tables/t.csv", b"a,a\n1,2\n", "tables/t.csv:1:1: two columns have one name"),
        ("tables/t.csv", b"a,\n1,2\n", "tables/t.csv:1:1: a column has no name"),
        ("tables/t.csv", b'a,b\n1,"x\n', "tables/t.csv:2:1: this is not CSV"),
        ("tables/t.csv", b"a,b\n\xff,2\n", "tables/t.csv:2:1: this byte is not UTF-8"),
        (
            "d.yaml",
            b"destination: out\nsend: {file: {folder: x}}\n",
            "destinations/out.yaml:1:14: there is a destination 'out' already",
        ),
        ("d.yaml", b"destination: d\n", "d.yaml:1:1: a destination needs send"),
        (
            "d.yaml",
            b"destination: d\nsend: {}\n",
            "d.yaml:2:7: send needs exactly one of mllp or file or documents or smtp",
        ),
        (
            "d.yaml",
            b"destination: d\nsend: {mllp: {host: h, port: 0}}\n",
            "d.yaml:2:30: the text '0' is out of range; a port is 1 to 65535",
        ),
        (
            "d.yaml",
            b"destination: d\nsend: {mllp: {host: h, port: 70000}}\n",
            "d.yaml:2:30: the text '70000' is out of range",
        ),
        (
            "d.yaml",
            b"destination: d\nsend: {mllp: {host: h, port: x}}\n",
            "d.yaml:2:30: the text 'x' is not a port",
        ),
        (
            "d.yaml",
            b"destination: d\nsend: {mllp: {host: h, port: 1}, timeout: 5}\n",
            "d.yaml:2:43: the text '5' is not a length of time",
        ),
        (
            "d.yaml",
            b"destination: d\nsend: {file: {folder: x, name: '${MSH-10}'}}\n",
            "d.yaml:2:32: two messages could get one name",
        ),
        (
            "d.yaml",
            b"destination: d\nsend: {file: {folder: x, name: '../${id}'}}\n",
            "d.yaml:2:32: a file name stays inside its folder",
        ),
        (
            "d.yaml",
            b"destination: d\nsend: {file: {folder: x, name: '${di}${id}'}}\n",
            "d.yaml:2:32: ${di} is not known in a file name",
        ),
        (
            "d.yaml",
            b"destination: d\nsend: {file: {folder: x}}\norder: patients\n",
            "d.yaml:3:8: the text 'patients' is none of patient, none, strict; did you mean patient?",
        ),
        (
            "d.yaml",
            b"destination: d\nsend: {file: {folder: x}}\nretry: {first: 1h, most: 1m}\n",
            "d.yaml:3:26: most is shorter than first",
        ),
        (
            "d.yaml",
            b"destination: d\nsend: {file: {folder: x}}\nretry: {jitter: 110%}\n",
            "d.yaml:3:17: the text '110%' is not a share",
        ),
        (
            "d.yaml",
            b"destination: d\nsend: {file: {folder: x}}\nanswers: {AE: again}\n",
            "d.yaml:3:15: the text 'again' is none of retry, fail",
        ),
        (
            "d.yaml",
            b"destination: d\nsend: {file: {folder: x}}\nprocessing: [P, X]\n",
            "d.yaml:3:17: the text 'X' is none of P, T, D",
        ),
        (
            "d.yaml",
            b"destination: d\nsend: {mllp: {host: h, port: 1, tls: {certificate: a}}}\n",
            "d.yaml:2:38: a certificate and its key go together",
        ),
        (
            "d.yaml",
            b"destination: d\nsend: {file: {folder: x}}\nmap: [{PDI-1: x}]\n",
            "d.yaml:3:8: HL7 has no segment PDI",
        ),
        ("a.yaml", b"affiliate: a\nsend: {file: {folder: x}}\n", "a.yaml:1:1: an affiliate needs agreement"),
        (
            "a.yaml",
            b"affiliate: a\nsend: {file: {folder: x}}\nagreement: {clinic: soon}\n",
            "a.yaml:3:21: the text 'soon' is not a date; write it 2026-12-01",
        ),
        (
            "a.yaml",
            b"affiliate: a\nsend: {file: {folder: x}}\nagreement: {clinic: 2026-02-30}\n",
            "a.yaml:3:21: the text '2026-02-30' is not a date",
        ),
        (
            "a.yaml",
            b"affiliate: a\nsend: {file: {folder: x}}\nagreement: {c: 2026-02-03}\nroster: rosters/a.csv\n",
            "a.yaml:4:9: there is no file 'rosters/a.csv'",
        ),
        ("s.yaml", b"source: c\nmllp: {port: 2600}\n", "c.yaml:1:10: there is a source 'c' already"),
        ("s.yaml", b"source: s\nmllp: {port: 2575}\n", "c.yaml:2:16: port 2575 is taken by the source s"),
        (
            "s.yaml",
            b"source: s\nmllp: {port: 1, allow: [10.0.0.0/33]}\n",
            "s.yaml:2:25: the text '10.0.0.0/33' is not a network",
        ),
        (
            "s.yaml",
            b"source: s\nmllp: {port: 1, encoding: utf9}\n",
            "s.yaml:2:27: the text 'utf9' is not a character set; did you mean utf-8?",
        ),
        (
            "s.yaml",
            b"source: s\nmllp: {port: 1}\nzone: America/NewYork\n",
            "s.yaml:3:7: the text 'America/NewYork' is not a time zone; did you mean America/New_York?",
        ),
        (
            "s.yaml",
            b"source: s\nmllp: {port: 1}\nduplicates: 24\n",
            "s.yaml:3:13: the text '24' is not a length of time",
        ),
        ("s.yaml", b"source: s\nmllp: {port: 1, tls: {certificate: a}}\n", "s.yaml:2:22: tls needs key"),
        (
            "hl7bridge.yaml",
            b"retention: {patients: 90d}\n",
            "hl7bridge.yaml:1:23: the text '90d' is less than 3y; write 3y or more",
        ),
        (
            "e.yaml",
            b"channel: e\nsource: srouce\nsend_to: [out]\n",
            "e.yaml:2:9: there is no source 'srouce'",
        ),
        (
            "e.yaml",
            b"channel: c\nsource: c\nsend_to: [out]\n",
            "e.yaml:1:10: there is a channel 'c' already; it stands in c.yaml",
        ),
        ("e.yaml", b"channel: e\nsource: c\n", "e.yaml:1:1: a channel needs send_to"),
        (
            "e.yaml",
            b"channel: e\nsource: c\nsend_to: [{affiliates: clinic}]\n",
            "e.yaml:3:24: no affiliate's agreement covers 'clinic'",
        ),
        (
            "e.yaml",
            b"channel: e\nsource: c\nsend_to: [{when: {ORC-1: CA}}]\n",
            "e.yaml:3:11: send_to needs exactly one of to or affiliates or destination",
        ),
        (
            "e.yaml",
            b"channel: e\nsource: c\nsend_to: [{destination: out, send: {file: {folder: x}}}]\n",
            "e.yaml:3:25: there is a destination 'out' already",
        ),
        (
            "e.yaml",
            b"channel: e\nsource: c\nsend_to: [{destination: here}]\n",
            "e.yaml:3:25: the destination 'here' needs send",
        ),
        ("hl7bridge.yaml", b"store: {free: lots}\n", "hl7bridge.yaml:1:15: the text 'lots' is not a size"),
        ("hl7bridge.yaml", b"retain: 3d\n", "hl7bridge.yaml:1:1: 'retain' is not a key of hl7bridge.yaml"),
        (
            "hl7bridge.yaml",
            b"defaults: {destination: {oder: strict}}\n",
            "hl7bridge.yaml:1:26: 'oder' is not a key of defaults; did you mean order?",
        ),
        ("c.test.yaml", b"name: x\n", "c.test.yaml:1:1: a set of keys stands where a list belongs"),
        (
            "c.test.yaml",
            b"- {name: x, message: y, expect: {uot: sent}}\n",
            "c.test.yaml:1:34: there is no destination 'uot'; did you mean out?",
        ),
        (
            "c.test.yaml",
            b"- {name: x, message: y, expect: {out: send}}\n",
            "c.test.yaml:1:39: the text 'send' is neither sent nor not sent",
        ),
        ("c.test.yaml", b"- {name: x, message: y}\n", "c.test.yaml:1:3: this test expects nothing"),
        (
            "c.test.yaml",
            b"- {name: x, message: y, expect: {out: {PDI-3: x}}}\n",
            "c.test.yaml:1:40: HL7 has no segment PDI",
        ),
        (
            "q.test.yaml",
            b"- {name: x, message: y, answer: AA}\n",
            "q.test.yaml:1:3: there is no channel file q.yaml beside this one",
        ),
    ],
)
def test_a_mistake_in_another_file(mistakes: Find, name: str, data: bytes, line: str) -> None:
    found = mistakes("", {name: data})
    assert any(each.startswith(line) for each in found), found


def test_hooks_that_cannot_be_loaded(mistakes: Find) -> None:
    found = mistakes("map: [{python: bad:f}]", {"bad.py": b"def f(:\n"})
    assert "bad.py:1:7: this is not Python: invalid syntax; mend the line" in found
    found = mistakes("map: [{python: bad:f}]", {"bad.py": b"\nimport nowhere_to_be_found\n"})
    assert any(
        each.startswith("bad.py:2:1: the file fails while it loads: ModuleNotFoundError") for each in found
    )


def test_settings_of_affiliates_are_looked_up_for_each(mistakes: Find) -> None:
    files = {
        "c.yaml": b"channel: c\nsource: {mllp: {port: 2575}}\nmap: [{MSH-6: '${affiliate.facility}'}]\n"
        b"send_to: [{affiliates: clinic}, out]\n",
        "affiliates/medstar.yaml": AFFILIATE.encode(),
        "destinations/out.yaml": OUT,
    }
    assert sorted(mistakes(files), reverse=True) == [
        "c.yaml:3:15: the affiliate medstar has no setting facility; "
        "write settings: {facility: ...} in its file",
        "c.yaml:3:15: out is not an affiliate, so ${affiliate.facility} says nothing for it; "
        "move the line into the affiliates' own maps",
    ]


def test_secrets_are_read_and_never_shown(mistakes: Find) -> None:
    out = b"destination: out\nsend: {mllp: {host: h, port: '${file./run/secrets/token}'}}\n"
    found = mistakes("", {"destinations/out.yaml": out})
    assert found == ["destinations/out.yaml:2:30: the text '${file./run/secrets/token}' is not a port"]


def test_the_error_carries_every_mistake() -> None:
    with pytest.raises(ConfigurationErrors) as caught:
        load({"c.yaml": b"channel: c\n", "d.yaml": b"destination: d\n"})
    assert [each.path for each in caught.value.mistakes] == ["c.yaml", "c.yaml", "d.yaml"]
    assert str(caught.value).startswith("c.yaml:1:1: a channel needs source (and 2 more)")


@pytest.mark.parametrize("path", ["ZPH-333", "MSH-99", "PID-41"])
def test_fields_that_sites_add_are_no_mistake(mistakes: Find, path: str) -> None:
    assert mistakes(f"filter: {{{path}: present}}") == []


def test_a_field_that_no_segment_has_does_not_close_what_was_in_force_once() -> None:
    files = {
        "c.yaml": b"channel: c\nsource: {mllp: {port: 2575}}\nfilter: {MSH-333: absent}\nsend_to: [out]\n",
        "destinations/out.yaml": OUT,
    }
    assert set(load(files, kept=True).channels) == {"c"}
    with pytest.raises(ConfigurationErrors):
        load(files)

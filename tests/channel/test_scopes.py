"""`each`: runs, what encloses them, and what steps inside do to the message."""

from __future__ import annotations

from collections.abc import Callable

Mapped = Callable[..., str]
HEAD = "MSH|^~\\&|A|B|||1||ORU^R01|1|P|2.5.1\n"


def names(text: str) -> list[str]:
    return [line[:3] for line in text.rstrip("\n").split("\n")]


def test_a_run_ends_at_equal_or_higher_rank_and_takes_z_segments_along(mapped: Mapped) -> None:
    message = (
        HEAD + "PID|1\nORC|1\nOBR|1\nOBX|1\nZX1|1\nNTE|1\nOBX|2\nNTE|2\nOBR|2\nOBX|3\nORC|2\nOBR|3\nOBX|4\n"
    )
    made = mapped("- {each: OBX, where: {OBX-1: 1}, remove: run}", message)
    assert names(made) == ["MSH", "PID", "ORC", "OBR", "OBX", "NTE", "OBR", "OBX", "ORC", "OBR", "OBX"]
    made = mapped("- {each: OBR, where: {OBR-1: 1}, remove: run}", message)
    assert names(made) == ["MSH", "PID", "ORC", "OBR", "OBX", "ORC", "OBR", "OBX"]
    made = mapped("- {each: ORC, where: {OBX-1: 3}, remove: run}", message)
    assert names(made) == ["MSH", "PID", "ORC", "OBR", "OBX"]
    assert names(mapped("- {each: ZX1, remove: run}", message)).count("ZX1") == 0
    assert len(names(mapped("- {each: ZX1, remove: run}", message))) == 13


def test_an_admissions_other_segments_end_an_observations_run(mapped: Mapped) -> None:
    message = HEAD + "EVN|A01\nPID|1\nPV1|1\nOBX|1\nNTE|1\nAL1|1\nDG1|1\nIN1|1\nIN2|1\nIN1|2\n"
    assert names(mapped("- {each: OBX, remove: run}", message))[3:] == [
        "PV1",
        "AL1",
        "DG1",
        "IN1",
        "IN2",
        "IN1",
    ]
    made = mapped("- {each: IN1, where: {IN1-1: 1}, remove: run}", message)
    assert names(made)[-2:] == ["DG1", "IN1"]


def test_a_name_means_the_run_else_what_encloses_it_never_a_sibling(mapped: Mapped) -> None:
    message = (
        HEAD
        + "PID|1||P1\nPV1|1|O\nNTE|1||of the patient\nORC|RE|A\nTQ1|a\nOBR|1\nDG1|d1\nOBX|1\nNTE|1||of obx\n"
        + "ORC|RE|B\nOBR|2\nOBX|2\nPID|2||P2\nORC|RE|C\nOBR|3\nOBX|3\n"
    )
    steps = """
    - each: OBX
      OBX-20: {join: [PID-3, PV1-2, ORC-2, OBR-1, TQ1-1, DG1-1, NTE-3], with: /}
    """
    lines = [line.split("|") for line in mapped(steps, message).split("\n") if line.startswith("OBX")]
    assert [line[20] for line in lines] == ["P1/O/A/1/a/d1/of obx", "P1/O/B/2", "P2/C/3"]
    steps = "- {each: ORC, where: {TQ1: absent}, ORC-3: none}"
    orcs = [line for line in mapped(steps, message).split("\n") if line.startswith("ORC")]
    assert orcs == ["ORC|RE|A", "ORC|RE|B|none", "ORC|RE|C|none"]


def test_a_tq1_right_after_orc_belongs_to_the_orc(mapped: Mapped) -> None:
    message = HEAD + "PID|1\nORC|1\nTQ1|x\nRXE|1\nTQ1|y\nORC|2\nRXE|2\nTQ1|z\n"
    made = mapped("- {each: RXE, RXE-2: {from: TQ1-1}}\n- {each: ORC, ORC-2: {from: TQ1-1}}", message)
    assert "RXE|1|y" in made
    assert "RXE|2|z" in made
    assert "ORC|1|x" in made
    made = mapped("- {each: TQ1, where: {TQ1-1: x}, remove: run}", message)
    assert names(made) == ["MSH", "PID", "ORC", "RXE", "TQ1", "ORC", "RXE", "TQ1"]
    made = mapped(
        "- {each: RXR, remove: run}\n- {each: RXE, RXE-3: {from: TQ1-1}}", message.replace("TQ1|y\n", "")
    )
    assert "RXE|1||x" in made


def test_conditions_inside_a_run_speak_of_the_run(mapped: Mapped) -> None:
    message = HEAD + "OBR|1\nOBX|1|ED\nOBX|2|TX\nOBR|2\nOBX|1|TX\n"
    made = mapped(
        "- {each: OBR, where: {OBX-2: ED}, OBR-4: pdf}\n"
        "- {each: OBR, where: {OBX-2: {not: ED}}, OBR-4: text}",
        message,
    )
    assert [line for line in made.split("\n") if line.startswith("OBR")] == ["OBR|1|||pdf", "OBR|2|||text"]


def test_steps_nest(mapped: Mapped) -> None:
    message = HEAD + "PID|1\nORC|1||||||^^D30~^^D60\nOBR|1\nOBX|1\nOBX|2\nORC|2\nOBR|2\nOBX|3\n"
    steps = """
    - each: ORC
      do:
        - {each: OBX, where: {OBX-1: [2, 3]}, do: [{each: OBX, OBX-3: {from: ORC-1}}]}
        - {each: 'ORC-7[*]', do: [{add: NTE, after: OBR, NTE-3: {from: it.3}}]}
        - {renumber: NTE-1}
        - {when: {ORC-1: 2}, add: NTE, NTE-3: last}
        - {each: OBX, where: {OBX-1: 1}, do: [{remove: run}]}
    - {renumber: OBX-1}
    - {renumber: OBX-4, within: ORC}
    """
    assert mapped(steps, message) == (
        HEAD
        + "PID|1\nORC|1||||||^^D30~^^D60\nOBR|1\nNTE|1||D30\nNTE|2||D60\nOBX|1||1|1\n"
        + "ORC|2\nOBR|2\nOBX|2||2|1\nNTE|||last\n"
    )


def test_a_field_of_what_encloses_can_be_written_and_removed_from_inside(mapped: Mapped) -> None:
    message = HEAD + "PID|1||x\nORC|1\nOBX|1|ED\n"
    assert "PID|1|ED|x" in mapped("- {each: OBX, PID-2: {from: OBX-2}}", message)
    assert "PID|1||\n" in mapped("- {each: OBX, remove: [PID-3]}", message)
    assert "PID|1||x" in mapped("- {each: OBX, remove: [PID]}", message)  # only of the run


def test_a_segment_that_is_made_stands_at_the_end_of_its_run(mapped: Mapped) -> None:
    message = HEAD + "ORC|1\nOBR|1\nORC|2\n"
    assert (
        mapped("- {each: ORC, where: {ORC-1: 1}, ZZZ-1: x}", message) == HEAD + "ORC|1\nOBR|1\nZZZ|x\nORC|2\n"
    )


def test_segments_of_one_name_are_chosen_by_what_they_hold(mapped: Mapped) -> None:
    message = HEAD + "OBX|1|NM|A\nOBX|2|NM|B\nNTE|1\nOBX|3|NM|A\n"
    made = mapped("- {each: 'OBX[3.1=A]', OBX-5: a}\n- {remove: 'OBX[2]'}\n- {'OBX[*]-11': F}", message)
    assert made == HEAD + "OBX|1|NM|A||a||||||F\nNTE|1\nOBX|3|NM|A||a||||||F\n"
    made = mapped("- {keep: 'OBX[3.1=A]'}\n- {'OBX[*]-5': {from: 'OBX[*]-1'}}", message)
    assert made == HEAD + "OBX|1|NM|A||1\nNTE|1\nOBX|3|NM|A||3\n"


def test_the_original_is_read_after_new_and_in_its_own_runs(mapped: Mapped) -> None:
    message = HEAD + "PID|1||x\nORC|1|A\nRXD|1|d1\nNTE|1||n1\nORC|2|B\nRXD|2|d2\n"
    steps = """
    - PID-2: seen
    - {new: ORU^R01^ORU_R01, keep: [PID]}
    - {each: original.RXD, where: {original.NTE: present}, do: [
        {add: OBX, OBX-3: {from: original.ORC-2}, OBX-5: {from: original.NTE-3}}]}
    - {add: NTE, NTE-3: {join: ['original.RXD[*]-2', PID-2], with: ' '}}
    """
    assert mapped(steps, message) == (
        "MSH|^~\\&|A|B|||1||ORU^R01^ORU_R01|1|P|2.5.1\nPID|1|seen|x\nOBX|||A||n1\nNTE|||d1 d2 seen\n"
    )


def test_ten_thousand_segments_do_not_stall(mapped: Mapped) -> None:
    message = HEAD + "PID|1\nORC|1|A\nOBR|1\n" + "OBX|1|TX|X\nNTE|1||n\n" * 5_000
    steps = "- {each: OBX, where: {PID-1: 1, ORC-2: A}, OBX-4: {from: ORC-2}}\n"
    steps += "- {each: NTE, remove: run}\n- renumber: OBX-1"
    made = mapped(steps, message)
    assert made.count("\n") == 5_004
    assert made.endswith("OBX|5000|TX|X|A\n")

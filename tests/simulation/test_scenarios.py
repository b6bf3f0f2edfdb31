"""The language of scenarios: built, written, read back, refused with the nearest name, drawn at random."""
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportAttributeAccessIssue=false
# Tables of cases: what is in them is checked by the tests that they are for.

import json
from pathlib import Path

import pytest

from greenroom.actors import OnFault, Placement
from greenroom.simulation import (
    BadScenario,
    Part,
    Scenario,
    UnknownName,
    load_scenario,
    random_scenario,
    run,
    save_scenario,
    scenario_data,
    scenario_of,
    shipped_names,
)
from greenroom.simulation.steps import KINDS

SHIPPED = shipped_names("scenarios")


def short() -> Scenario:
    """Return a scenario with a processor, a lease and a burst."""
    built: Scenario = (
        Scenario.named("short", "a few things")
        .part("p", shared=True, placement=Placement.INLINE, on_fault=OnFault.DROP, capacity_frames=7)
        .open_room(room="a", token="t1")
        .publish(track="x", room="a", participant="ann", frames=20, wait=False)
        .hold(lease="l", processor="p", wait=False)
        .join()
        .open_stream(stream="s", track="x", through=("p", "l"), after_ms=5, reader="iterate")
        .wait(ms=50)
        .build()
    )
    return built


@pytest.mark.parametrize("suffix", [".toml", ".json"])
def test_a_file_reads_back_as_it_was_written(tmp_path: Path, suffix: str) -> None:
    """TOML and JSON hold the same scenario."""
    path = tmp_path / f"mine{suffix}"
    save_scenario(short(), path)
    assert load_scenario(str(path)) == short()


def test_random_scenarios_read_back_too() -> None:
    """Whatever the generator writes has a file form."""
    for seed in range(40):
        scenario = random_scenario(seed)
        assert scenario_of(json.loads(json.dumps(scenario_data(scenario))), references=False) == scenario


def test_a_seed_is_a_scenario() -> None:
    """The same seed writes the same, another seed another; the first steps of seed 7 are fixed for ever."""
    assert random_scenario(7) == random_scenario(7) != random_scenario(8)
    assert [str(step) for step in random_scenario(7).steps[:3]] == [
        "open_room(room='room-1')",
        "publish(track='track-1', room='room-1', participant='guest-1', frames=1)",
        "open_stream(stream='stream-1', track='track-1', reader='iterate', holds=20)",
    ]


def test_weights_say_what_is_likely() -> None:
    """A weight of 0 is never drawn, and a weight alone is all that is drawn."""
    words = {step.do for seed in range(20) for step in random_scenario(seed, weights={"move": 0}).steps}
    assert "move" not in words
    assert {"refresh", "hold", "open_stream"} < words
    only = dict.fromkeys(KINDS, 0) | {"kill": 1}
    assert {step.do for step in random_scenario(1, length=9, weights=only).steps[3:]} == {"kill"}
    assert len(random_scenario(1, length=9).steps) == 12


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ({"mov": 1}, "did you mean 'move'"),
        ({"move": -1}, "-1"),
        (dict.fromkeys(KINDS, 0), "all weights are 0"),
    ],
)
def test_wrong_weights_are_refused(weights: dict[str, int], told: str) -> None:
    """By name and value."""
    with pytest.raises(BadScenario, match=told):
        random_scenario(1, weights=weights)


def test_at_least_ten_themes_and_a_reference_are_shipped() -> None:
    """Each says in a sentence what it is there for, under the name of its file."""
    assert len(SHIPPED) >= 11
    assert "reference" in SHIPPED
    for name in SHIPPED:
        scenario = load_scenario(name)
        assert scenario.name == name
        assert scenario.about.endswith(".")


def test_every_word_is_in_some_shipped_scenario() -> None:
    """What the language has is played by somebody."""
    assert {step.do for name in SHIPPED for step in load_scenario(name).steps} == set(KINDS)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_scenarios_keep_the_laws(name: str) -> None:
    """A few orders of each, without faults."""
    for seed in range(3):
        run(load_scenario(name), seed=seed).check()


WRONG = {
    "no such word": ({"steps": [{"do": "open_rom", "room": "a"}]}, "step 1: no step 'open_rom'; did you mean 'open_room'"),
    "no do": ({"steps": [{"room": "a"}]}, "has no 'do'"),
    "no such value": ({"steps": [{"do": "open_room", "rom": "a"}]}, "did you mean 'room'"),
    "a value is missing": ({"steps": [{"do": "open_room"}]}, "room is missing"),
    "a wrong type": ({"steps": [{"do": "open_room", "room": 3}]}, "room must be a printable text"),
    "too long": ({"steps": [{"do": "open_room", "room": "r" * 90}]}, "at most 80"),
    "not a number": ({"steps": [{"do": "wait", "ms": "5"}]}, "ms must be a whole number"),
    "no such choice": ({"steps": [{"do": "kill", "actor": "RomActor"}]}, "did you mean 'RoomActor'"),
    "not a boolean": ({"steps": [{"do": "join", "wait": 1}]}, "wait must be true or false"),
    "not a list": ({"steps": [{"do": "open_room", "room": "a"}, {"do": "publish", "track": "x", "room": "a", "participant": "p"}, {"do": "open_stream", "stream": "s", "track": "x", "through": "p"}]}, "through must be a list"),
    "a room that never opens": ({"steps": [{"do": "open_room", "room": "lobby"}, {"do": "close_room", "room": "loby"}]}, "no room 'loby'; did you mean 'lobby'"),
    "no such processor": ({"processors": [{"name": "denoise"}], "steps": [{"do": "hold", "lease": "l", "processor": "denois"}]}, "did you mean 'denoise'"),
    "no such key": ({"step": []}, "no key 'step'; did you mean 'steps'"),
    "steps are no tables": ({"steps": [1]}, "must be a list of tables"),
    "a wrong placement": ({"processors": [{"name": "p", "placement": "tread"}]}, "did you mean 'thread'"),
    "a wrong number": ({"processors": [{"name": "p", "intensity": True}]}, "a whole number"),
    "a processor without a name": ({"processors": [{}]}, "name is missing"),
    "two of a name": ({"processors": [{"name": "p"}, {"name": "p"}]}, "two processors 'p'"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "told"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_refused_by_name(data: dict[str, object], told: str) -> None:
    """The error names the step, the value, and the nearest name that there is."""
    with pytest.raises(BadScenario) as refused:
        scenario_of(data)
    assert told in str(refused.value)


def test_the_builder_refuses_unknown_words() -> None:
    """As files do."""
    with pytest.raises(BadScenario, match="did you mean 'publish'"):
        Scenario.named("x").publsh(track="a")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [("a.toml", "x = [", "is no TOML"), ("a.json", "{", "is no JSON"), ("a.json", "[]", "holds list"), ("b.toml", None, "cannot be read")],
)  # fmt: skip
def test_files_that_cannot_be_read_are_refused(
    tmp_path: Path, name: str, text: str | None, told: str
) -> None:
    """With the path and the reason."""
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(BadScenario, match=told):
        load_scenario(str(tmp_path / name))


def test_unknown_names_say_the_nearest() -> None:
    """A name that is not shipped, with those that are."""
    with pytest.raises(UnknownName, match="did you mean 'reconnects'"):
        load_scenario("reconects")


def test_parts_become_specs() -> None:
    """Every field of a part reaches the processor's spec."""
    seen: list[object] = []

    def look(stage: object) -> None:
        spec = stage.spec(Part(name="p", shared=True, placement=Placement.INLINE, on_fault=OnFault.DROP, capacity_frames=7, intensity=9, deadline_ms=11, hang_ms=12))  # type: ignore[attr-defined]  # fmt: skip
        seen.append(
            (
                spec.name,
                spec.shared,
                spec.placement,
                spec.on_fault,
                spec.capacity_frames,
                spec.intensity,
                spec.deadline_ns,
                spec.hang_ns,
            )
        )

    run(Scenario(), on_stage=look).check()
    assert seen == [("p", True, Placement.INLINE, OnFault.DROP, 7, 9, 11_000_000, 12_000_000)]

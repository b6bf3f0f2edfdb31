"""Fault plans: read, written, refused; each kind of fault happens, and what it does is survived."""
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# Tables of cases: what is in them is checked by the tests that they are for.

import json
from pathlib import Path

import pytest

from greenroom.actors import EventKind, SessionEvent
from greenroom.simulation import (
    NO_FAULTS,
    BadFaultPlan,
    Fault,
    FaultPlan,
    Scenario,
    Setting,
    Stage,
    UnknownName,
    load_faults,
    load_scenario,
    plan_data,
    plan_of,
    random_scenario,
    run,
    shipped_names,
)
from greenroom.simulation._faults import POINTS
from greenroom.simulation._files import to_toml
from greenroom.simulation._injector import Injector

SHIPPED = shipped_names("faults")
KINDS = [(at, kind) for at, kinds in POINTS.items() for kind in kinds]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_plans_read_back_as_they_are(name: str) -> None:
    """And say in a sentence what they are there for."""
    plan = load_faults(name)
    assert plan.name == name
    assert plan.about.endswith(".")
    assert plan_of(json.loads(json.dumps(plan_data(plan)))) == plan


def test_a_plan_may_be_a_file(tmp_path: Path) -> None:
    """TOML, written by hand or by `plan_data`."""
    plan = FaultPlan(
        name="mine", faults=(Fault(at="processor", kind="slow", where="frame", nth=(2, 5), ms=7),)
    )
    (tmp_path / "mine.toml").write_text(to_toml(plan_data(plan)))
    assert load_faults(str(tmp_path / "mine.toml")) == plan


@pytest.mark.parametrize(("at", "kind"), KINDS, ids=str)
def test_every_kind_of_fault_happens_and_the_laws_hold(at: str, kind: str) -> None:
    """At a high rate, in some scenario; and everything works again afterwards."""
    plan = FaultPlan(faults=(Fault(at=at, kind=kind, rate=0.3, limit=2),))
    scenarios = [load_scenario(name) for name in ("reference", "streams", "killed")]
    scenarios += [random_scenario(seed) for seed in range(40)]
    fired = 0
    for seed, scenario in enumerate(scenarios):
        outcome = run(scenario, seed=seed, setting=Setting(faults=plan))
        outcome.check()
        assert len(outcome.fired) <= 2
        fired += len(outcome.fired)
        if fired >= 6:
            break
    assert fired


WRONG = {
    "no such place": ({"at": "procesor", "kind": "raise", "rate": 1}, "did you mean 'processor'"),
    "no such kind": ({"at": "processor", "kind": "rise", "rate": 1}, "did you mean 'raise'"),
    "no such point": ({"at": "processor", "kind": "raise", "where": "fram", "rate": 1}, "did you mean 'frame'"),
    "a kind that cannot be there": ({"at": "processor", "kind": "none", "where": "close", "rate": 1}, "no point 'close'"),
    "a rate above 1": ({"at": "backend", "kind": "omit", "rate": 2}, "from 0 to 1"),
    "neither rate nor nth": ({"at": "backend", "kind": "omit"}, "give a rate above 0, or nth"),
    "both": ({"at": "backend", "kind": "omit", "rate": 0.5, "nth": [1]}, "not both"),
    "nth from 0": ({"at": "backend", "kind": "omit", "nth": [0]}, "whole numbers from 1"),
    "no limit": ({"at": "backend", "kind": "omit", "rate": 1, "limit": 0}, "limit is 0"),
    "no such key": ({"at": "backend", "kind": "omit", "rat": 1}, "did you mean 'rate'"),
    "no at": ({"kind": "omit", "rate": 1}, "at is missing"),
}  # fmt: skip


@pytest.mark.parametrize(("fault", "told"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_refused_by_name(fault: dict[str, object], told: str) -> None:
    """With the number of the fault, the value, and what would do."""
    with pytest.raises(BadFaultPlan) as refused:
        plan_of({"faults": [fault]})
    assert str(refused.value).startswith("fault 1: ")
    assert told in str(refused.value)


def test_unknown_plans_say_the_nearest() -> None:
    """And those that there are."""
    with pytest.raises(UnknownName, match="did you mean 'processors'"):
        load_faults("procesors")


def test_exact_places_strike_there_and_nowhere_else() -> None:
    """The third visit of one point, of that processor alone."""
    injector = Injector(
        FaultPlan(faults=(Fault(at="processor", kind="raise", where="frame", name="p", nth=(3,)),))
    )
    struck = [injector.visit("processor", "frame", "p") is not None for _ in range(5)]
    assert struck == [False, False, True, False, False]
    assert all(injector.visit("processor", "frame", "q") is None for _ in range(5))
    assert [str(each) for each in injector.fired] == ["processor p, frame number 3: raise"]


def test_what_has_fired_can_be_given_exactly() -> None:
    """A run under the exact plan of another is that run again."""
    plan = load_faults("all").at("processor", "backend", "source", "sink", "reader")
    setting = Setting(faults=plan)
    for seed in range(12):
        outcome = run(random_scenario(seed), seed=seed, setting=setting)
        exact = FaultPlan(faults=tuple(each.exactly() for each in outcome.fired))
        again = run(random_scenario(seed), seed=seed, setting=Setting(faults=exact))
        assert (again.fired, again.steps, again.choices) == (outcome.fired, outcome.steps, outcome.choices)


def test_a_point_does_not_disturb_another() -> None:
    """Each point has dice of its own: leaving one fault out changes nothing elsewhere."""
    raise_, omit = Fault(at="processor", kind="raise", rate=0.3), Fault(at="backend", kind="omit", rate=0.3)
    both, alone = Injector(FaultPlan(faults=(raise_, omit)), 5), Injector(FaultPlan(faults=(omit,)), 5)
    drawn = []
    for _ in range(30):
        both.visit("processor", "frame", "p")
        drawn.append(both.visit("backend", "move", "move"))
    assert drawn == [alone.visit("backend", "move", "move") for _ in range(30)]
    assert any(drawn)


def test_after_the_faults_nothing_goes_wrong() -> None:
    """An injector that was stopped says nothing any more."""
    injector = Injector(FaultPlan(faults=(Fault(at="backend", kind="omit", rate=1.0),)))
    assert injector.visit("backend", "move", "move") is not None
    injector.stop()
    assert injector.visit("backend", "move", "move") is None


def test_no_faults_means_none() -> None:
    """The default."""
    outcome = run(load_scenario("reference"), seed=1)
    assert outcome.fired == ()
    assert Setting().faults is NO_FAULTS


def test_faults_of_the_backend_change_what_is_played() -> None:
    """An event that is omitted never reaches the session; one that is doubled is refused the second time."""
    scenario = Scenario.named("x").open_room(room="a").publish(track="t", room="a", participant="p").build()

    def tracks(kind: str) -> list[str]:
        events: list[str] = []
        plan = FaultPlan(faults=(Fault(at="backend", kind=kind, where="publish", nth=(1,)),))
        outcome = run(scenario, setting=Setting(faults=plan), on_stage=lambda stage: _watch(stage, events))
        outcome.check()
        return events

    assert tracks("omit") == []
    assert tracks("double") == ["track.added"]
    assert tracks("delay") == ["track.added"]


def _watch(stage: Stage, events: list[str]) -> None:
    def note(event: SessionEvent) -> None:
        if event.kind is EventKind.TRACK_ADDED:
            events.append(event.kind.value)

    stage.session.observe(note)

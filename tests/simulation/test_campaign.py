"""The long sweep: what it is made of, how schedules are shared out, and that it goes on whatever it finds."""

import pytest

from greenroom.simulation import (
    Campaign,
    SimulationError,
    Stage,
    Sweep,
    Tally,
    UnknownName,
    law,
    legs_of,
    load_faults,
    load_scenario,
    name_of_leg,
    shipped_names,
    sweep,
)
from greenroom.simulation._campaign import FAILURES_MAX, SMALL_STEPS


@law("no room is called b")
def no_b(stage: Stage) -> bool:
    """Hold while there is none."""
    return "b" not in stage.session.rooms


MINE = (f"{__name__}:no_b",)


def test_all_of_it_is_there_once_and_no_schedule_is_lost() -> None:
    """Every scenario and random ones, every plan, three strategies; dfs for those that are small."""
    legs = legs_of(5_000, first=7)
    names = [name_of_leg(leg) for leg in legs]
    assert len(set(names)) == len(names)
    scenarios, plans = [*shipped_names("scenarios"), "random"], shipped_names("faults")
    small = [name for name in shipped_names("scenarios") if len(load_scenario(name).steps) <= SMALL_STEPS]
    wanted = {(s, p, way) for s in scenarios for p in plans for way in ("random", "pct", "delay")}
    assert small
    assert set(names) == wanted | {(s, p, "dfs") for s in small for p in plans}
    assert sum(leg.seeds for leg in legs) == Campaign(legs).schedules == 5_000
    assert all(leg.seeds > 0 and leg.first == 7 and leg.keep_going for leg in legs)


def test_where_more_is_to_be_found_more_is_looked() -> None:
    """Random scenarios and the plan with everything have more schedules than others."""
    seeds = {name_of_leg(leg): leg.seeds for leg in legs_of(20_000)}
    assert seeds["random", "all", "pct"] > seeds["random", "light", "pct"] > seeds["rooms", "light", "pct"]
    assert seeds["rooms", "all", "pct"] > seeds["rooms", "light", "pct"]


def test_it_can_be_kept_to_a_plan_a_strategy_and_laws() -> None:
    """And says how many schedules there must be at least."""
    legs = legs_of(100, faults=[load_faults("light")], strategies=["delay"], laws=("leases",), coverage=True)
    assert {(leg.faults.name, leg.strategy, leg.laws, leg.coverage) for leg in legs} == {
        ("light", "delay", ("leases",), True)
    }
    with pytest.raises(SimulationError, match=f"13 schedules are too few; there are {len(legs)}"):
        legs_of(13, faults=[load_faults("light")], strategies=["delay"])
    with pytest.raises(UnknownName, match="did you mean 'pct'"):
        legs_of(1_000, strategies=["pctt"])


def short(name: str, seeds: int, **values: object) -> Sweep:
    """Return a leg."""
    return Sweep(scenario=load_scenario(name), seeds=seeds, keep_going=True, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_leg_comes_to_what_it_comes_to_alone(jobs: int) -> None:
    """In one process or in two, cut in parts; an order of dfs follows from the one before."""
    legs = (
        short("rooms", 45, first=3),
        short("tokens", 5, strategy="pct"),
        short("rooms", 3, strategy="dfs"),
    )
    campaign = Campaign(legs)
    told: list[tuple[int, int]] = []

    def tell(leg: int, part: Tally) -> None:
        told.append((leg, part.runs))

    campaign.run(jobs=jobs, on_part=tell)
    assert sorted(told) == [(0, 5), (0, 40), (1, 5), (2, 3)]
    for leg, tally in zip(legs, campaign.tallies, strict=True):
        alone = sweep(leg)
        assert (tally.runs, tally.steps, tally.rests) == (alone.runs, alone.steps, alone.rests)
    assert campaign.total().runs == 53


@pytest.mark.parametrize("jobs", [1, 2])
def test_it_goes_on_after_a_failure_but_not_for_ever_with_a_leg_that_only_fails(jobs: int) -> None:
    """Other legs are run to their end; each failure comes with what repeats it."""
    campaign = Campaign((short("rooms", 400, laws=MINE), short("leases", 41, laws=MINE)))
    campaign.run(jobs=jobs)
    failing, fine = campaign.tallies
    assert FAILURES_MAX <= len(failing.failures) == failing.runs < 400
    assert fine.runs == 41
    assert not fine.failures
    repeat, failure = failing.failures[0]
    assert failure.title == "no room is called b"
    assert repeat.scenario.name == "rooms"

"""Rooms under simulation: scenarios, faults as data, laws that are checked while it runs, and failures that can be replayed.

>>> outcome = run(load_scenario("reference"), seed=7, setting=Setting(faults=load_faults("light")))
>>> outcome.held
True
"""

from greenroom.simulation._court import NAMES, TITLES
from greenroom.simulation._faults import (
    NO_FAULTS,
    Fault,
    FaultPlan,
    Fired,
    load_faults,
    plan_data,
    plan_of,
)
from greenroom.simulation._files import load_scenario, save_scenario, scenario_data, scenario_of
from greenroom.simulation._player import Player, Story, story_of
from greenroom.simulation._random import WEIGHTS, random_scenario
from greenroom.simulation._run import (
    STRATEGIES,
    Failure,
    Outcome,
    Setting,
    explore,
    run,
    scheduler_of,
)
from greenroom.simulation._scenario import Builder, Part, Scenario
from greenroom.simulation._stage import Stage
from greenroom.simulation._witness import InjectedError
from greenroom.simulation.errors import (
    BadFaultPlan,
    BadScenario,
    BadToken,
    LawBroken,
    SimulationError,
    UnknownName,
)
from greenroom.simulation.laws import Law, law

__all__ = [
    "NAMES",
    "NO_FAULTS",
    "STRATEGIES",
    "TITLES",
    "WEIGHTS",
    "BadFaultPlan",
    "BadScenario",
    "BadToken",
    "Builder",
    "Failure",
    "Fault",
    "FaultPlan",
    "Fired",
    "InjectedError",
    "Law",
    "LawBroken",
    "Outcome",
    "Part",
    "Player",
    "Scenario",
    "Setting",
    "SimulationError",
    "Stage",
    "Story",
    "UnknownName",
    "explore",
    "law",
    "load_faults",
    "load_scenario",
    "plan_data",
    "plan_of",
    "random_scenario",
    "run",
    "save_scenario",
    "scenario_data",
    "scenario_of",
    "scheduler_of",
    "story_of",
]

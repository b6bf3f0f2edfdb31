"""All that `greenroom.simulation` offers: loaded with the first of its names, for pytest imports the package at every start."""

from greenroom.simulation._campaign import Campaign, legs_of, name_of_leg
from greenroom.simulation._chart import chart_of, write_chart
from greenroom.simulation._court import NAMES, TITLES
from greenroom.simulation._coverage import Covered, actor_coverage, fault_coverage
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
from greenroom.simulation._files import names as shipped_names
from greenroom.simulation._player import Player, Story, story_of
from greenroom.simulation._random import WEIGHTS, random_scenario
from greenroom.simulation._rehearsing import Rehearsal, check_real
from greenroom.simulation._replay import Repeat, fingerprint, parse_token
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
from greenroom.simulation._shrink import Shrunk, shrink
from greenroom.simulation._stage import Stage
from greenroom.simulation._sweep import Sweep, Tally, cores, find_laws, sweep
from greenroom.simulation._trace import Line, Trace, trace_of
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
from greenroom.simulation.testing import SimulationFailed, simulated

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
    "Campaign",
    "Covered",
    "Failure",
    "Fault",
    "FaultPlan",
    "Fired",
    "InjectedError",
    "Law",
    "LawBroken",
    "Line",
    "Outcome",
    "Part",
    "Player",
    "Rehearsal",
    "Repeat",
    "Scenario",
    "Setting",
    "Shrunk",
    "SimulationError",
    "SimulationFailed",
    "Stage",
    "Story",
    "Sweep",
    "Tally",
    "Trace",
    "UnknownName",
    "actor_coverage",
    "chart_of",
    "check_real",
    "cores",
    "explore",
    "fault_coverage",
    "find_laws",
    "fingerprint",
    "law",
    "legs_of",
    "load_faults",
    "load_scenario",
    "name_of_leg",
    "parse_token",
    "plan_data",
    "plan_of",
    "random_scenario",
    "run",
    "save_scenario",
    "scenario_data",
    "scenario_of",
    "scheduler_of",
    "shipped_names",
    "shrink",
    "simulated",
    "story_of",
    "sweep",
    "trace_of",
    "write_chart",
]

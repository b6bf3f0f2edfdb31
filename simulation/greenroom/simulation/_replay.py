"""What repeats a run, on any machine: scenario, faults, seed and schedule in one line of text."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from greenroom.simulation._faults import FaultPlan, plan_data, plan_of
from greenroom.simulation._files import scenario_data, scenario_of
from greenroom.simulation._run import Outcome, Setting, run, scheduler_of
from greenroom.simulation._scenario import Scenario
from greenroom.simulation.errors import BadToken, SimulationError
from greenroom.supervision import tokens
from greenroom.supervision.schedules import Replay, Scheduler

_FLOORS: Final = ("greenroom.supervision", "greenroom.actors", "greenroom.simulation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """A run that can be repeated.

    Attributes:
        scenario: what is played.
        faults: what goes wrong.
        seed: of faults, back-offs and the order.
        strategy: how the order is chosen, where there are no choices.
        choices: the order itself; None: as seed and strategy say.
        code: the fingerprint of the code it was made with.
    """

    scenario: Scenario
    faults: FaultPlan
    seed: int
    strategy: str = "random"
    choices: tuple[int, ...] | None = None
    code: str = ""

    def scheduler(self) -> Scheduler:
        """Return what chooses the order."""
        return scheduler_of(self.strategy, self.seed) if self.choices is None else Replay(self.choices)

    def run(self, setting: Setting | None = None, **values: Any) -> Outcome:
        """Run it again.

        Args:
            setting: laws and the processor under test; the faults are this one's.
            values: as of `run`.
        """
        setting = replace(setting or Setting(), faults=self.faults)
        return run(self.scenario, seed=self.seed, scheduler=self.scheduler(), setting=setting, **values)

    def token(self) -> str:
        """Return it as one line of text."""
        return tokens.Token(
            program=self.scenario.name,
            seed=self.seed,
            schedule=self.strategy,
            choices=self.choices,
            extra={"scenario": scenario_data(self.scenario), "faults": plan_data(self.faults)},
            code=self.code or fingerprint(),
        ).encode()

    @property
    def same_code(self) -> bool:
        """Whether it was made with the code that runs now."""
        return self.code in ("", fingerprint())


def parse_token(token: str) -> Repeat:
    """Read what `Repeat.token` wrote.

    Raises:
        BadToken: it is none, or is not whole.
    """
    try:
        found = tokens.Token.decode(token)
        return Repeat(
            scenario=scenario_of(found.extra["scenario"], references=False),
            faults=plan_of(found.extra["faults"]),
            seed=found.seed,
            strategy=found.schedule,
            choices=found.choices,
            code=found.code,
        )
    except tokens.BadToken as error:
        raise BadToken(f"{error}; copy it again, all of it") from None
    except SimulationError as error:
        raise BadToken(f"the replay token holds what this version does not know: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadToken("the replay token holds no scenario with its faults") from error


@cache
def fingerprint() -> str:
    """Return what the code of the simulated floors comes to: another where one character of it is."""
    return tokens.fingerprint(*_FLOORS)

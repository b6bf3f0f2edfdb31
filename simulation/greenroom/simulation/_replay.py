"""What repeats a run, on any machine: scenario, faults, seed and schedule in one line of text."""

import base64
import binascii
import json
import zlib
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, Final

from greenroom.simulation._faults import FaultPlan, plan_data, plan_of
from greenroom.simulation._files import scenario_data, scenario_of
from greenroom.simulation._run import Outcome, Setting, run, scheduler_of
from greenroom.simulation._scenario import Scenario
from greenroom.simulation.errors import BadToken, SimulationError
from greenroom.supervision.schedules import Replay, Scheduler

PREFIX: Final = "gr1."
_FLOORS: Final = ("supervision", "actors", "simulation")
_BYTES_MAX: Final = 5_000_000


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
        data: dict[str, Any] = {
            "code": self.code or fingerprint(),
            "seed": self.seed,
            "strategy": self.strategy,
            "scenario": scenario_data(self.scenario),
            "faults": plan_data(self.faults),
        }
        if self.choices is not None:
            data["choices"] = list(self.choices)
        packed = zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 9)
        return PREFIX + base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @property
    def same_code(self) -> bool:
        """Whether it was made with the code that runs now."""
        return self.code in ("", fingerprint())


def parse_token(token: str) -> Repeat:
    """Read what `Repeat.token` wrote.

    Raises:
        BadToken: it is none, or is not whole.
    """
    text = "".join(token.split())
    if not text.startswith(PREFIX):
        raise BadToken(f"a replay token begins with {PREFIX!r}; this begins with {text[: len(PREFIX)]!r}")
    body = text.removeprefix(PREFIX)
    try:
        packed = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(packed, _BYTES_MAX)
        if not unpacker.eof:
            raise ValueError("cut off")  # noqa: TRY301 - the same refusal
        data = json.loads(raw)
        choices = data.get("choices")
        return Repeat(
            scenario=scenario_of(data["scenario"], references=False),
            faults=plan_of(data["faults"]),
            seed=int(data["seed"]),
            strategy=str(data["strategy"]),
            choices=None if choices is None else tuple(int(each) for each in choices),
            code=str(data["code"]),
        )
    except SimulationError as error:
        raise BadToken(f"the replay token holds what this version does not know: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, zlib.error, binascii.Error) as error:
        raise BadToken("the replay token is not whole; copy it again, without its line breaks") from error


@cache
def fingerprint() -> str:
    """Return what the code of the simulated floors comes to: another where one character of it is."""
    total = 0
    for floor in _FLOORS:
        folder = resources.files(f"greenroom.{floor}")
        for each in sorted(folder.iterdir(), key=lambda path: path.name):
            if each.name.endswith(".py"):
                total = zlib.crc32(each.read_bytes(), zlib.crc32(each.name.encode(), total))
    return f"{total:08x}"

"""A failure as something to read: one line for each step, with actor, message and virtual time; and as data."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from greenroom.simulation._files import scenario_data
from greenroom.simulation._replay import Repeat, fingerprint
from greenroom.simulation._run import Outcome, Setting
from greenroom.simulation._stage import Stage
from greenroom.supervision.simulated import Step, TraceLine

QUIET: Final = (
    "timer Pacer._tick",
    "timer WatchActor._look",
    "Shard",
    "SinkWriter",
    "continue OwnTimer._fire",
)
"""What happens every ten milliseconds, and is left out of what people read."""
TAIL: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a trace.

    Attributes:
        number: the step; 0 for what the story does between two steps.
        at_ns: virtual time.
        kind: ``actor``, ``lane``, ``timer``; ``story``, ``scenario``, ``fault`` or ``law``.
        path: whose step it is.
        what: the message, or what is noted.
        woken_by: the step that gave it something to do; 0 if that is not known.
    """

    number: int
    at_ns: int
    kind: str
    path: str
    what: str
    woken_by: int = 0

    @property
    def quiet(self) -> bool:
        """Whether it happens all the time."""
        return self.what in QUIET

    def __str__(self) -> str:
        milliseconds = f"{self.at_ns // 1_000_000:>6}.{self.at_ns // 1000 % 1000:03} ms"
        number = f"{self.number:>6}" if self.number else "     -"
        return (
            f"{number} {milliseconds}  {self.path} <- {self.what}"
            if self.path
            else f"{number} {milliseconds}  ** {self.kind}: {self.what}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A run, step by step."""

    repeat: Repeat
    outcome: Outcome
    lines: tuple[Line, ...]

    def text(self, *, tail: int = TAIL) -> str:
        """Return the failure as text: what did not hold, how to repeat it, and its last steps."""
        return "\n".join(self._text(tail))

    def _text(self, tail: int) -> Iterator[str]:
        failure = self.outcome.failure
        yield f"seed {self.repeat.seed}: {failure or 'all laws held'}"
        yield ""
        yield "scenario:"
        yield from (f"  {number}. {step}" for number, step in enumerate(self.repeat.scenario.steps, 1))
        if self.outcome.fired:
            yield "faults:"
            yield from (f"  {fired}" for fired in self.outcome.fired)
        chosen = sum(map(bool, self.repeat.choices or ()))
        how = (
            f"{chosen} choices that differ from the fixed rule"
            if self.repeat.choices is not None
            else self.repeat.strategy
        )
        yield f"schedule: {self.outcome.steps} steps, {how}"
        yield ""
        told = [line for line in self.lines if not line.quiet]
        if len(told) > tail:
            yield f"(the last {tail} of {len(told)} lines; --trace FILE writes all)"
        yield from (str(line) for line in told[-tail:])
        yield ""
        yield f"again: greenroom simulate --replay {self.repeat.token()}"

    def data(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        failure = self.outcome.failure
        return {
            "schema": 1,
            "code": fingerprint(),
            "seed": self.repeat.seed,
            "strategy": self.repeat.strategy,
            "failure": None if failure is None else asdict(failure),
            "scenario": scenario_data(self.repeat.scenario),
            "faults": [asdict(fired) for fired in self.outcome.fired],
            "steps": self.outcome.steps,
            "virtual_ns": self.outcome.virtual_ns,
            "choices": list(self.outcome.choices),
            "replay": self.repeat.token(),
            "trace": [asdict(line) for line in self.lines],
        }

    def write_json(self, path: str | Path) -> None:
        """Write all of it as JSON."""
        Path(path).write_text(json.dumps(self.data(), indent=1) + "\n", "utf8")


def trace_of(repeat: Repeat, setting: Setting | None = None) -> Trace:
    """Run it once more, and write down every step."""
    writer = _Writer()
    outcome = repeat.run(setting, trace=writer.on_step, on_stage=writer.watch)
    lines = [line for line in writer.lines if line.number <= outcome.steps]
    if outcome.failure is not None:
        failure = outcome.failure
        lines.append(Line(number=0, at_ns=failure.at_ns, kind="law", path="", what=str(failure)))
    return Trace(repeat=repeat, outcome=outcome, lines=tuple(lines))


class _Writer:
    """Writes a run down. Who is woken by which step it sees from what has become ready after each."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._woken: dict[str, int] = {}
        self._ready: dict[int, None] = {}
        self._told = False
        self._stage: Stage | None = None

    def watch(self, stage: Stage) -> None:
        self._stage = stage
        stage.on_note = self._note
        stage.injector.on_fired = lambda fired: self._note("fault", str(fired))

    def on_step(self, line: TraceLine) -> None:
        """Before each step."""
        self._look(line.number - 1)
        # What runs is not among what is ready any more: if it was not ready before, the last step has woken it.
        by_last = 0 if self._told or line.kind == "timer" else line.number - 1
        woken_by = self._woken.pop(line.path, by_last)
        self._told = False
        self.lines.append(
            Line(
                number=line.number,
                at_ns=line.at_ns,
                kind=line.kind,
                path=line.path,
                what=line.what,
                woken_by=woken_by,
            )
        )

    def _look(self, after: int) -> None:
        assert self._stage is not None
        ready = {id(task): task for task in self._stage.runtime.ready}
        for ident, task in ready.items():
            if ident not in self._ready:
                self._woken[Step(task).path] = 0 if self._told else after
        self._ready = dict.fromkeys(ready)

    def _note(self, kind: str, what: str) -> None:
        if self._stage is not None and not self._stage.court.adjourned:
            self._told = kind != "fault"
            now_ns = self._stage.runtime.now_ns()
            self.lines.append(Line(number=0, at_ns=now_ns, kind=kind, path="", what=what))

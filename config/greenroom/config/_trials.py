"""Builds each processor once and closes it again, to see whether it can be done before a room depends on it.

A factory is foreign code: it may raise, hang, exit, or return something else than a processor. So it runs where the
worker of a session would run it, in an actor with the processor's own budget, and whatever it does ends in a message.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from greenroom.actors.context import MASK
from greenroom.actors.processors import SECOND_NS, Processor, ProcessorSpec
from greenroom.supervision import IGNORE, Actor, ActorFenced, ActorSystem, Dispatcher, StartFailed

LONGEST_TEXT: Final = 300
"""What a message repeats of what a factory raised."""

BUILD: Final = "built"
CLOSE: Final = "closed"


def trials(
    specs: Mapping[str, ProcessorSpec], secrets: Mapping[str, frozenset[str]]
) -> Iterator[tuple[str, str]]:
    """Build and close one after the other; yield the name of each that fails, and what is wrong.

    Each gets its ``build_ns`` for both. A thread that hangs is left behind, and ends with the process.

    Args:
        specs: by name; each has a factory.
        secrets: by name, what must not be repeated of what was raised.
    """
    if not specs:
        return
    with ActorSystem() as system:
        for name, spec in specs.items():
            problem = _problem(system, spec)
            if problem:
                yield name, _told(problem, secrets.get(name, frozenset()))


class Trial(Actor):
    """Builds a processor when it starts, closes it, and is over. ``steps`` tells how far it came."""

    def __init__(self, spec: ProcessorSpec, steps: list[str]) -> None:
        self._spec = spec
        self._steps = steps

    def on_start(self) -> Any:
        """Run the factory and close what it returns, within the start budget."""
        assert self._spec.factory is not None
        self._steps.append(BUILD)
        processor: object = self._spec.factory(**self._spec.options)
        if not isinstance(processor, Processor):
            missing = [name for name in ("enabled", "_process", "_close") if not hasattr(processor, name)]
            raise NotBuilt(
                f"its factory returned {type(processor).__name__}, which has no {', '.join(missing)}"
            )
        self._steps.append(CLOSE)
        processor._close()
        return IGNORE


class NotBuilt(TypeError):  # noqa: N818 - it says what happened
    """A factory returned something that is not a processor."""


def _problem(system: ActorSystem, spec: ProcessorSpec) -> str:
    steps: list[str] = []
    _, started = system.launch(
        Trial, (spec, steps), name=spec.name, dispatcher=Dispatcher.PINNED, start_ns=spec.build_ns
    )
    try:
        started.get()
    except StartFailed as failed:
        error = failed.cause
    else:
        return ""
    what = f"could not be {steps[-1]}"
    if isinstance(error, ActorFenced):
        budget = f"{spec.build_ns / SECOND_NS:g}"
        return f"{what} within build_s = {budget}; give it more time, or look what it waits for"
    if isinstance(error, NotBuilt):
        return f"{what}: {error}; a processor has enabled, _process and _close"
    return f"{what}: {type(error).__name__}: {_text(error)}"


def _text(error: BaseException) -> str:
    """Return what an error says; its class is foreign code as well."""
    try:
        return str(error)
    except Exception as another:  # noqa: BLE001 - as the module says
        return f"(its text: {type(another).__name__})"


def _told(problem: str, secrets: frozenset[str]) -> str:
    """Return a problem as one line of moderate length, without secrets."""
    for secret in sorted(secrets, key=len, reverse=True):
        problem = problem.replace(secret, MASK).replace(repr(secret)[1:-1], MASK)
    line = " ".join(problem.split()).removesuffix(":")
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 4] + " ..."

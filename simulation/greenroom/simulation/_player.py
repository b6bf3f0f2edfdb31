"""The player: goes through a scenario step by step, in bursts and with faults of the backend, and sees that all is answered."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from greenroom.actors import SessionError
from greenroom.simulation import steps as words
from greenroom.simulation._acts import Acts
from greenroom.simulation._court import ANSWERED
from greenroom.simulation._faults import BACKEND
from greenroom.simulation._scenario import Scenario
from greenroom.simulation._stage import MS, Stage
from greenroom.simulation.errors import SimulationError
from greenroom.simulation.steps import Step
from greenroom.supervision import SupervisionError

JOIN_NS: Final = 8_000 * MS
ANSWER_SECONDS: Final = 40
"""Of virtual time, after which what has not been answered never will be: more than any budget that it may wait for."""

Story = Callable[[Stage], Awaitable[None]]
"""What plays on a stage."""


class Player:
    """Plays one scenario.

    Attributes:
        refused: what the session refused, step by step: a part of the story, and no failure.
    """

    def __init__(self, stage: Stage, scenario: Scenario) -> None:
        self.stage = stage
        self.scenario = scenario
        self.refused: list[str] = []
        self._acts = Acts(stage, scenario)
        self._pending: dict[asyncio.Task[None], Step] = {}

    async def play(self) -> None:
        """Play all steps; faults of the backend are played too."""
        waiting: list[Step] = list(self.scenario.steps)
        while waiting:
            step = waiting.pop(0)
            fault = self.stage.injector.visit(BACKEND, step.do, step.do) if step.backend else None
            if fault is None:
                await self._one(step)
            elif fault.kind == "double":
                await self._one(step)
                await self._one(replace(step, after_ms=0))
            elif fault.kind == "delay":
                self._begin(replace(step, wait=False, after_ms=step.after_ms + fault.takes_ns // MS))
            elif fault.kind == "reorder":
                waiting.insert(1, step)
                await self._one(waiting.pop(0))

    async def finish(self) -> None:
        """All has been played: whoever stopped reading goes on, and what was begun must be answered."""
        self._read_on()
        await self.stage.settle(self.pending)

    def pending(self) -> list[str]:
        """Return what has been asked, and not been answered yet."""
        return [str(step) for task, step in self._pending.items() if not task.done()]

    async def end(self) -> None:
        """The session is closed: everybody goes home."""
        self._read_on()
        tasks = [*self._acts.reading, *self._pending]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _read_on(self) -> None:
        for opened in self._acts.streams.values():
            opened.reading.set()

    async def _one(self, step: Step) -> None:
        if isinstance(step, words.Join):
            await self.stage.until(lambda: not self.pending(), within_ns=JOIN_NS)
            return
        if step.after_ms and step.wait:
            await self.stage.elapse(step.after_ms * MS)
        if isinstance(step, words.Wait):
            await self.stage.elapse(step.ms * MS)
            return
        task = self._begin(step)
        if step.cancel_after:
            for _ in range(step.cancel_after):
                await asyncio.sleep(0)
            task.cancel()
        if step.wait and not (await asyncio.wait({task}, timeout=ANSWER_SECONDS))[0]:
            self.stage.court.find(ANSWERED, f"{step} was never answered")

    def _begin(self, step: Step) -> "asyncio.Task[None]":
        task = asyncio.ensure_future(self._guarded(step))
        self._pending[task] = step
        task.add_done_callback(lambda done: self._pending.pop(done, None))
        return task

    async def _guarded(self, step: Step) -> None:
        """Play one step: a refusal of the session's is fine, anything else is not."""
        if step.after_ms and not step.wait:
            await self.stage.elapse(step.after_ms * MS)
        self.stage.note("scenario", step)
        try:
            await self._acts.act(step)
        except (SessionError, SupervisionError) as error:
            self.refused.append(f"{step.do}: {type(error).__name__}")
        except SimulationError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the door should not have let it through
            told = f"{step} ended in {type(error).__name__}, which is no refusal"
            self.stage.court.find(ANSWERED, told)


def story_of(scenario: Scenario) -> Story:
    """Return what plays a scenario on a stage, from its first step until everybody has gone home."""

    async def story(stage: Stage) -> None:
        player = Player(stage, scenario)
        try:
            await player.play()
            await player.finish()
            await stage.close()
        finally:
            await player.end()

    return story

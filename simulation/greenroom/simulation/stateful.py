"""Hypothesis, where it is installed: a state machine whose rules are steps of a scenario, played on a simulated session.

>>> from hypothesis import settings, strategies as st
>>> from hypothesis.stateful import rule
>>> class MyRooms(RoomMachine):
...     @rule(name=st.sampled_from(["lobby", "stage"]))
...     def open_room(self, name): self.do("open_room", room=name, token="t")
...     @rule(name=st.sampled_from(["lobby", "stage"]))
...     def close_room(self, name): self.do("close_room", room=name)
>>> case = MyRooms.TestCase
>>> case.settings = settings(max_examples=3, stateful_step_count=5, database=None)
>>> case("runTest").runTest()
"""

from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine

from greenroom.simulation._replay import Repeat
from greenroom.simulation._run import Setting
from greenroom.simulation._scenario import Builder, Part, Scenario
from greenroom.simulation._trace import trace_of


class RoomMachine(RuleBasedStateMachine):
    """A machine whose rules call `do`. When Hypothesis has put enough steps together, they are played and judged.

    Hypothesis chooses steps and shrinks them; the seed below chooses the order of what they set going. A failure is the
    trace of the scenario that Hypothesis has found shortest.

    Attributes:
        parts: the scenario's processors.
        setting: faults, laws, and the processor under test.
        seed: of faults and order; a rule may change it.
    """

    parts: ClassVar[tuple[Part, ...]] = (Part(name="own"), Part(name="shared", shared=True))
    setting: ClassVar[Setting] = Setting()
    seed: int = 0

    def __init__(self) -> None:
        super().__init__()
        self._builder = Builder(name=type(self).__name__, parts=list(self.parts))

    def do(self, step: str, **values: Any) -> None:
        """Add a step, by its word.

        Raises:
            BadScenario: there is no such word, or no such value of it.
        """
        self._builder.add(step, values)

    def teardown(self) -> None:
        """Play what has been put together.

        Raises:
            AssertionError: something did not hold; with the trace.
        """
        scenario = Scenario(name=self._builder.name, parts=self.parts, steps=tuple(self._builder.steps))
        repeat = Repeat(scenario=scenario, faults=self.setting.faults, seed=self.seed)
        outcome = repeat.run(self.setting)
        if not outcome.held:
            raise AssertionError(trace_of(repeat, self.setting).text(tail=30)) from outcome.error

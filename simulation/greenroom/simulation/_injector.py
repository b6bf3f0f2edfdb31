"""The injector: decides at each point of one run what goes wrong there, and notes it.

Each point has its own count and its own dice, so that leaving one fault out does not change the others.
"""

from collections.abc import Callable

from greenroom.simulation._dice import Dice, mark_of
from greenroom.simulation._faults import ANY, GROUPS, NO_FAULTS, POINTS, Fault, FaultPlan, Fired


class _Risk:
    """One fault that may happen at a point, and the dice that decide."""

    __slots__ = ("dice", "fault", "mark", "nth", "number")

    def __init__(self, number: int, fault: Fault, dice: Dice) -> None:
        self.number = number
        self.fault = fault
        self.nth = fault.nth
        self.mark = mark_of(fault.rate)
        self.dice = dice


class _Point:
    """One point: how often it was visited, and what may happen there."""

    __slots__ = ("count", "risks")

    def __init__(self, risks: list[_Risk]) -> None:
        self.count = 0
        self.risks = risks


class Injector:
    """Decides at each point of one run. One thread at a time, as all of a simulation.

    Args:
        plan: what may go wrong.
        seed: makes the dice.
    """

    def __init__(self, plan: FaultPlan = NO_FAULTS, seed: int = 0) -> None:
        self.plan = plan
        self.active = bool(plan.faults)
        self.fired: list[Fired] = []
        self.met: dict[tuple[str, str, str], int] = {}
        self.on_fired: Callable[[Fired], None] | None = None
        self._seed = seed
        self._used: dict[int, int] = {}
        self._points: dict[tuple[str, str, str, str], _Point] = {}

    def visit(self, at: str, where: str, name: str, group: str = "") -> Fault | None:
        """Return what goes wrong at this point now, if anything.

        Args:
            at: what kind of thing it is.
            where: the point.
            name: whose.
            group: of an actor: which of `GROUPS` may strike.
        """
        if not self.active:
            return None
        key = (at, where, name, group)
        point = self._points.get(key)
        if point is None:
            point = self._points[key] = self._new_point(at, where, name, group)
        if not point.risks:
            return None
        point.count += 1
        for risk in point.risks:
            falls = point.count in risk.nth if risk.nth else risk.dice.falls(risk.mark)
            if falls and self._may_again(risk):
                fault = risk.fault
                self._note(
                    Fired(at=at, kind=fault.kind, where=where, name=name, nth=point.count, ms=fault.ms)
                )
                return fault
        return None

    def _may_again(self, risk: _Risk) -> bool:
        """Count that a fault falls; whether that is within its limit."""
        used = self._used.get(risk.number, 0)
        if used >= risk.fault.limit:
            return False
        self._used[risk.number] = used + 1
        return True

    def watches(self, at: str) -> bool:
        """Whether anything may go wrong there at all."""
        return self.active and any(fault.at == at for fault in self.plan.faults)

    def stop(self) -> None:
        """From now on nothing goes wrong."""
        self.active = False

    def exact(self) -> FaultPlan:
        """Return what has happened so far as a plan of exact places."""
        return FaultPlan(
            name=f"{self.plan.name}, exactly", faults=tuple(each.exactly() for each in self.fired)
        )

    def _note(self, fired: Fired) -> None:
        self.fired.append(fired)
        point = (fired.at, fired.kind, fired.where)
        self.met[point] = self.met.get(point, 0) + 1
        if self.on_fired is not None:
            self.on_fired(fired)

    def _new_point(self, at: str, where: str, name: str, group: str) -> _Point:
        found = (at, where, name, group)
        fitting = self.plan.fitting.get(found)
        if fitting is None:
            fitting = self.plan.fitting[found] = _fitting(self.plan, *found)
        text = f"fault {self._seed} "
        risks = [
            _Risk(number, fault, Dice(f"{text}{fault.kind} {at} {where} {name}")) for number, fault in fitting
        ]
        return _Point(risks)


def _fitting(plan: FaultPlan, at: str, where: str, name: str, group: str) -> tuple[tuple[int, Fault], ...]:
    """Return what may happen at a point, with the numbers in the plan."""
    return tuple(
        (number, fault)
        for number, fault in enumerate(plan.faults)
        if fault.at == at
        and (where in POINTS[at][fault.kind] if fault.where == ANY else fault.where == where)
        and fault.name in (ANY, name)
        and (not group or fault.kind in GROUPS[group])
    )

"""What a supervisor says of its children: events for observers, and a line in the log when it gives up."""

from logging import ERROR
from typing import Any

from greenroom.supervision._family import Family
from greenroom.supervision._log import say
from greenroom.supervision._restart import Cause
from greenroom.supervision.events import ChildRestarting, IntensityExceeded, ReportContext, SupervisorReport
from greenroom.supervision.signals import ChildEnded, ChildFailed


def tell_report(cell: Any, context: ReportContext, signal: ChildFailed | ChildEnded, reason: Cause) -> None:
    """Tell of a child that ended in a way that nobody wanted; ``cell`` is its supervisor's."""
    if cell.system.observers:
        cell.system.emit(
            SupervisorReport(
                path=cell.path,
                context=context,
                child=signal.child.name,
                incarnation=signal.incarnation,
                reason=reason,
            )
        )


def tell_restarting(cell: Any, family: Family, child: str, delay_ns: int) -> None:
    """Tell that a child will be started again."""
    if cell.system.observers:
        count = family.restarts_in_window(cell.system.runtime.now_ns())
        cell.system.emit(
            ChildRestarting(path=cell.path, child=child, delay_ns=delay_ns, restarts_in_window=count)
        )


def tell_gave_up(cell: Any, family: Family, child: str) -> None:
    """Tell that the intensity is passed because of a child."""
    path, flags = cell.path, family.flags
    cell.system.emit(
        IntensityExceeded(path=path, child=child, intensity=flags.intensity, period_ns=flags.period_ns)
    )
    say(
        ERROR,
        "supervisor.gave_up",
        supervisor=path,
        child=child,
        intensity=flags.intensity,
        period_ns=flags.period_ns,
    )

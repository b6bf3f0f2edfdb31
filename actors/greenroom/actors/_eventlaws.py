"""The laws that can be seen from what is told while a session runs: fed event by event, or a whole journal at the end."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

from greenroom.actors.snapshots import EventKind, SessionEvent

NUMBER: Final = {"closed": 1, "leases": 2, "restarts": 6, "secrets": 8}


class EventLaws:
    """Judges events in the order in which they are told. O(1) for each event; not locked.

    Args:
        budgets: of a processor, how many restarts within how many ns; empty where it is not known.
        secrets: texts that must not be told.
    """

    def __init__(
        self,
        budgets: Callable[[str], tuple[int, int] | None],
        secrets: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._budgets = budgets
        self._secrets = secrets
        self._live: dict[tuple[str, object], None] = {}
        self._ended: dict[tuple[str, object], None] = {}
        self._open: dict[str, int] = {}
        self._restarts: dict[str, list[int]] = {}
        self._watching: Mapping[EventKind, Callable[[SessionEvent], str]] = {
            EventKind.LEASE_GRANTED: self._granted,
            EventKind.LEASE_ENDED: self._lease_ended,
            EventKind.PROCESSOR_OPENED: self._opened,
            EventKind.PROCESSOR_CLOSED: self._closed,
            EventKind.PROCESSOR_RESTARTED: self._restarted,
            EventKind.PROCESSOR_DEGRADED: self._degraded,
        }

    def judge(self, event: SessionEvent) -> Iterator[tuple[int, str]]:
        """Yield the law that an event breaks, if it breaks one, and how."""
        watching = self._watching.get(event.kind)
        if watching is not None:
            found = watching(event)
            if found:
                yield _LAW_OF[event.kind], found
        secrets = self._secrets()
        for value in event.details.values() if secrets else ():
            if isinstance(value, str) and any(secret in value for secret in secrets):
                yield NUMBER["secrets"], f"a token appears in the event {event.kind} of {event.subject}"

    def never_ended(self) -> Iterator[str]:
        """Yield the leases that have been granted and have not ended."""
        return (f"lease {lease} of {subject} never ended" for subject, lease in self._live)

    def _granted(self, event: SessionEvent) -> str:
        key = (event.subject, event.details["lease"])
        known = key in self._live or key in self._ended
        self._live[key] = None
        return f"lease {key[1]} of {key[0]} was granted twice" if known else ""

    def _lease_ended(self, event: SessionEvent) -> str:
        key = (event.subject, event.details["lease"])
        live = key in self._live
        self._live.pop(key, None)
        self._ended[key] = None
        return "" if live else f"lease {key[1]} of {key[0]} ended more often than it was granted"

    def _opened(self, event: SessionEvent) -> str:
        self._open[event.subject] = self._open.get(event.subject, 0) + 1
        return ""

    def _closed(self, event: SessionEvent) -> str:
        left = self._open[event.subject] = self._open.get(event.subject, 0) - 1
        return f"{event.subject} was closed more often than it was opened" if left < 0 else ""

    def _restarted(self, event: SessionEvent) -> str:
        name = event.subject.removeprefix("processor:")
        budget = self._budgets(name)
        if budget is None:
            return ""
        limit, period_ns = budget
        since = [at for at in self._restarts.get(name, ()) if event.at_ns - at <= period_ns]
        since = self._restarts[name] = [*since, event.at_ns]
        if len(since) <= limit:
            return ""
        return f"{name} was restarted {len(since)} times within {period_ns / 1e9:g} s, not {limit}"

    def _degraded(self, event: SessionEvent) -> str:
        self._restarts.pop(event.subject.removeprefix("processor:"), None)
        return ""


_LAW_OF: Final[Mapping[EventKind, int]] = {
    EventKind.LEASE_GRANTED: NUMBER["leases"],
    EventKind.LEASE_ENDED: NUMBER["leases"],
    EventKind.PROCESSOR_CLOSED: NUMBER["closed"],
    EventKind.PROCESSOR_RESTARTED: NUMBER["restarts"],
}

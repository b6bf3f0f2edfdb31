"""Handlers of a room's events: they never raise, and what goes wrong in one is written down once."""

from collections.abc import Callable, Mapping
from typing import Any

from greenroom.adapters.livekit._sdk import rtc
from greenroom.supervision import get_logger


class Ears:
    """What listens to one room, by event. Holds no room."""

    def __init__(self, room: rtc.Room, handles: Mapping[str, Callable[..., None]]) -> None:
        self._failures: dict[str, int] = {}
        self._handlers = {event: self.guarded(event, handle) for event, handle in handles.items()}
        emitter: Any = room
        for event, handler in self._handlers.items():
            emitter.on(event, handler)

    def guarded(self, event: str, handle: Callable[..., None]) -> Callable[..., None]:
        """Return a handler that never raises: after a TypeError the SDK would call no other one."""

        def handler(*values: Any) -> None:
            try:
                handle(*values)
            except Exception as error:  # noqa: BLE001 - a mistake of ours must not harm the room's other handlers
                self._failures[event] = count = self._failures.get(event, 0) + 1
                if count == 1:
                    get_logger().error("livekit.handler_failed", handler=event, error=type(error).__name__)

        return handler

    def close(self, room: rtc.Room) -> None:
        """Listen no further. Idempotent."""
        emitter: Any = room
        handlers, self._handlers = self._handlers, {}
        for event, handler in handlers.items():
            emitter.off(event, handler)

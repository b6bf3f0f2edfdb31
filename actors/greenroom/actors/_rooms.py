"""The supervisor of a session's rooms: opens them, and clears up after one that is over."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from greenroom.actors._desired import RoomState, child_id
from greenroom.actors._env import Env
from greenroom.actors._room import RoomActor, TooManyRestarts, close_room
from greenroom.supervision import (
    ActorRef,
    ChildSignal,
    ChildSpec,
    ChildStarted,
    Future,
    Restart,
    ShutdownBudget,
    StartedChild,
    StartFailed,
    Strategy,
    Supervisor,
    SupervisorFlags,
)

ROOM_RESTARTS: Final = 5
ROOM_PERIOD_NS: Final = 10_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRoom:
    """Open a room; answered with its ref when it has started."""

    state: RoomState
    errors: ClassVar = (StartFailed,)


class RoomsActor(Supervisor):
    """Keeps the rooms of ``env.rooms`` running."""

    def __init__(self, env: Env, directory: ActorRef[Any]) -> None:
        self._env = env
        self._directory = directory
        super().__init__(
            SupervisorFlags(strategy=Strategy.DYNAMIC, intensity=ROOM_RESTARTS, period_ns=ROOM_PERIOD_NS),
            [self._child_spec(room) for room in env.rooms.copy().values() if room.actor is not None],
        )

    def on_receive(self, message: Any) -> Any:
        """Open a room."""
        if not isinstance(message, OpenRoom):
            return super().on_receive(message)
        started = self.start_child(self._child_spec(message.state))
        self.when(started, self._on_opened, message.state, self.defer_reply())
        return None

    def _on_opened(self, started: Future[StartedChild], room: RoomState, reply: Future[Any]) -> None:
        error = started.error()
        if error is None:
            reply.try_set(started.outcome().ref)
        else:
            close_room(self._env, room)
            reply.try_fail(error)

    def on_child(self, signal: ChildSignal) -> None:
        """Close what a room that is over has left."""
        super().on_child(signal)
        if isinstance(signal, ChildStarted) or signal.child.is_alive():
            return
        for room in list(self._env.rooms.copy().values()):
            if room.actor == signal.child:
                error = None if room.closing else TooManyRestarts(f"room {room.name!r} failed too often")
                close_room(self._env, room, error)

    def on_stop(self) -> None:
        """Close what is left, if the session ends."""
        if self._env.closing:
            for room in list(self._env.rooms.copy().values()):
                close_room(self._env, room)

    def _child_spec(self, room: RoomState) -> ChildSpec:
        return ChildSpec(
            id=child_id("room", room.name),
            start=RoomActor,
            args=(self._env, room, self._directory),
            shutdown_ns=ShutdownBudget.INFINITE,
            restart=Restart.TRANSIENT,
        )

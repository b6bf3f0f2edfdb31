"""The public door: a session, its rooms, tracks, streams and leases, for use with asyncio.

Nothing in here blocks the event loop: what a method asks of an actor it awaits.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from greenroom.actors._checks import check_credentials, check_name, check_session
from greenroom.actors._desired import Granted, RoomState
from greenroom.actors._directory import ProcessorsActor
from greenroom.actors._env import Env
from greenroom.actors._holds import Hold, HoldsActor, give_back
from greenroom.actors._room import TooManyRestarts, close_room
from greenroom.actors._roommail import CloseRoom
from greenroom.actors._rooms import OpenRoom, RoomsActor
from greenroom.actors._shutdown import shut_down
from greenroom.actors._specs import spec_for
from greenroom.actors._watch import WatchActor
from greenroom.actors.context import Credentials
from greenroom.actors.errors import DuplicateName, NotAProcessor, SessionClosed
from greenroom.actors.handles import Room
from greenroom.actors.pace import Pace
from greenroom.actors.processors import MILLISECOND_NS, SECOND_NS, ProcessorSpec
from greenroom.actors.report import SessionReport, snapshot_of
from greenroom.actors.snapshots import EventKind, SessionEvent, SessionSnapshot
from greenroom.actors.streams import Lease, Script
from greenroom.supervision import (
    ActorCrashed,
    ActorDead,
    ActorRef,
    ActorSystem,
    Cause,
    ChildSpec,
    Future,
    ShutdownBudget,
    StartChild,
    Supervisor,
    SupervisorFlags,
    ThreadRuntime,
    WhichChildren,
)

TRIES: Final = 2
"""How often a message is given to an actor that is replaced over it."""
_ROOT_FLAGS: Final = SupervisorFlags(intensity=3, period_ns=10 * SECOND_NS)


def _never() -> bool:
    return False


class Session:
    """Rooms, and the processors that their streams use, under one supervision tree.

    Used as ``async with Session() as session``. Several sessions may run in one process, each in its own loop.

    Args:
        name: for logs and snapshots.
        processors: specs that can be asked for by name.
        resolve: finds a spec for any other name; by default what packages offer as ``greenroom.processors``.
            Called on a thread that may block.
        pace: real time, or as fast as the machine goes.
        frame_ns: the step of media time in which sources are read; whole blocks of 10 ms. How much a source gives
            at a time is up to the source.
        shutdown_ns: how long an orderly end may take; then what is left is fenced.
        runtime: a `ThreadRuntime` of its own by default.
    """

    def __init__(
        self,
        name: str = "session",
        *,
        processors: Iterable[ProcessorSpec] = (),
        resolve: Callable[[str], ProcessorSpec] | None = None,
        pace: Pace = Pace.REALTIME,
        frame_ns: int = 10 * MILLISECOND_NS,
        shutdown_ns: int = 5 * SECOND_NS,
        runtime: Any = None,
    ) -> None:
        check_name("session name", name)
        self.name = name
        self._specs = tuple(processors)
        check_session(pace=pace, frame_ns=frame_ns, shutdown_ns=shutdown_ns, processors=self._specs)
        self._resolve = resolve
        self._pace = pace
        self._frame_ns = frame_ns
        self._shutdown_ns = shutdown_ns
        self._owns_runtime = runtime is None
        self._runtime = runtime
        self._env: Env | None = None
        self._system: ActorSystem | None = None
        self._root: ActorRef[Supervisor] | None = None
        self._refs: dict[str, ActorRef[Any]] = {}
        self._closing: asyncio.Task[SessionReport] | None = None
        self._early: list[Callable[[SessionEvent], None]] = []

    # -- its own life ----------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Start the tree.

        Raises:
            DuplicateName: two specs have one name.
        """
        if self._system is not None:
            raise SessionClosed("a session is entered once; make another one")
        if self._runtime is None:
            self._runtime = ThreadRuntime()
        self._system = ActorSystem(self._runtime)
        self._env = env = Env(
            self.name,
            runtime=self._runtime,
            fast=self._pace is Pace.FAST,
            frame_ns=self._frame_ns,
            resolve=self._resolve,
        )
        for observer in self._early:
            env.observe(observer)
        try:
            for spec in self._specs:
                self._declare(spec)
            await self._start_tree(env, self._system)
        except BaseException:
            await self.close()
            raise
        return self

    async def _start_tree(self, env: Env, system: ActorSystem) -> None:
        root, started = system.launch(
            Supervisor,
            (_ROOT_FLAGS, [_spec("processors", ProcessorsActor, env)]),
            name="session",
            shutdown_ns=None,
        )
        self._root = root
        await started
        root.watch(self._on_root_ended)
        directory = (await root.ask(WhichChildren(), block=False))[0].ref
        self._refs["processors"] = directory
        for spec in (
            _spec("holds", HoldsActor, directory, env),
            _spec("watch", WatchActor, env),
            _spec("rooms", RoomsActor, env, directory),
        ):
            child = await root.ask(StartChild(spec=spec), block=False)
            self._refs[spec.id] = child.ref

    def _on_root_ended(self, _incarnation: int, _cause: Cause) -> None:
        """Nothing runs any more. If nobody wanted that, all streams end with an error, so that nobody waits."""
        env = self._env
        if env is None or env.closing:
            return
        env.closing = True
        env.pacer.close()
        for room in env.rooms.copy().values():
            close_room(env, room, TooManyRestarts(f"session {self.name!r} failed too often"))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> SessionReport:
        """End rooms, then processors, in order, within the shutdown budget; past it what is left is fenced.

        Idempotent. Should the caller be cancelled, the end goes on to its end.
        """
        if self._env is None:
            raise SessionClosed("the session has not been entered: async with Session() as session")
        if self._closing is None:
            assert self._system is not None
            ending = shut_down(
                self._env,
                self._system,
                self._root,
                budget_ns=self._shutdown_ns,
                owns_runtime=self._owns_runtime,
            )
            self._closing = asyncio.ensure_future(ending)
        return await asyncio.shield(self._closing)

    @property
    def system(self) -> ActorSystem:
        """The system that its actors live in: for `ActorSystem.snapshot` and `serve_tree`.

        Raises:
            SessionClosed: the session has not been entered.
        """
        if self._system is None:
            raise SessionClosed("the session has not been entered: async with Session() as session")
        return self._system

    # -- what it offers ---------------------------------------------------------------------------------------

    @property
    def rooms(self) -> Mapping[str, Room]:
        """The open rooms, by name."""
        states = self.alive().rooms.copy()
        return {name: state.handle for name, state in states.items() if state.actor is not None}

    @property
    def media_now_ns(self) -> int:
        """Media time: how much audio the session's sources have given, from its first."""
        return self.alive().pacer.media_now_ns

    async def open_room(self, name: str, *, credentials: Credentials | None = None) -> Room:
        """Open a room.

        Raises:
            DuplicateName: there is one of that name.
        """
        env = self.alive()
        check_name("room name", name)
        check_credentials(credentials)
        if name in env.rooms:
            raise DuplicateName("room", name)
        state = RoomState(name=name, credentials=env.know(credentials), gone=Future(env.runtime))
        env.rooms[name] = state
        room = state.handle = Room(self, state)
        env.emit(EventKind.ROOM_OPENED, state.path, url=credentials.url if credentials else "")
        try:
            await self._ask_own(
                "rooms",
                OpenRoom(state=state),
                undo=partial(_undo_open, env, state),
                done=lambda: state.actor is not None and not state.gone.done(),
            )
        except Exception:
            close_room(env, state)
            raise
        return room

    async def declare(self, spec: ProcessorSpec) -> None:
        """Make a processor known by its name.

        Raises:
            DuplicateName: another one is known by it.
        """
        self.alive()
        if not isinstance(spec, ProcessorSpec):
            raise NotAProcessor(f"declare takes a ProcessorSpec, not {type(spec).__name__}")
        self._declare(spec)

    def _declare(self, spec: ProcessorSpec) -> None:
        assert self._env is not None
        if self._env.specs.setdefault(spec.name, spec) != spec:
            raise DuplicateName("processor", spec.name)

    async def hold(self, wanted: Any) -> Lease:
        """Hold a processor open beyond its streams; the lease's end, or the session's, lets it go.

        A name takes the processor that is there under it, or opens one that the next stream will use. The lease
        itself can be given to `Track.open_stream`, which then uses that very processor.

        Raises:
            UnknownProcessor, NotAProcessor: what is wrong with ``wanted``.
        """
        spec = await self.spec(wanted)
        env = self.alive()
        granted = await self._ask_own("holds", Hold(spec=spec), undo=partial(_undo_hold, env))
        return Lease(self, granted)

    async def keep(self, granted: Granted) -> Lease:
        """Hold the very processor that a stream uses: for `Stream.keep`."""
        hold = Hold(spec=granted.spec, very=granted.processor)
        env = self.alive()
        return Lease(self, await self._ask_own("holds", hold, undo=partial(_undo_hold, env)))

    def observe(self, observer: Callable[[SessionEvent], None]) -> Callable[[], None]:
        """Call ``observer`` with every event, on actors' threads: be quick. Returns its undoing."""
        if self._env is None:
            self._early.append(observer)
            return lambda: self._early.remove(observer)
        return self._env.observe(observer)

    def snapshot(self) -> SessionSnapshot:
        """Return what the session looks like now. Any thread; never blocks."""
        if self._env is None:
            raise SessionClosed("the session has not been entered")
        return snapshot_of(self._env)

    def script(self) -> Script:
        """Take part in media time: ``async with session.script() as script: await script.until(3 * SECOND_NS)``.

        In FAST pace media time stands still while the block does anything but wait.
        """
        return Script(self.alive().pacer.script(), self._runtime)

    # -- for its handles --------------------------------------------------------------------------------------

    def record(self) -> Env:
        """Return the session's shared records, also when it is closed."""
        assert self._env is not None
        return self._env

    def alive(self) -> Env:
        """Return the session's shared records.

        Raises:
            SessionClosed: it has not been entered, or is closed.
        """
        if self._env is None or "rooms" not in self._refs:
            raise SessionClosed("the session has not been entered: async with Session() as session")
        if self._env.pid != os.getpid():
            raise SessionClosed(
                f"session {self.name!r} belongs to process {self._env.pid}, and its threads are there; "
                "a process that was forked opens a session of its own"
            )
        if self._closing is not None:
            raise SessionClosed(f"session {self.name!r} is closed")
        if self._env.closing:
            raise self._failed()
        return self._env

    async def ask(
        self,
        ref: ActorRef[Any],
        message: Any,
        *,
        undo: Callable[[Any], object] | None = None,
        done: Callable[[], bool] = _never,
    ) -> Any:
        """Ask an actor, without blocking the loop; counted, so that the report can say that all were answered.

        An actor that is replaced while it has the message is asked again, once.

        Args:
            ref: whom.
            message: what.
            undo: called with the answer if the caller was cancelled and so never gets it, or with None if the actor
                failed over it; on any thread.
            done: whether what was asked for has been done, by an actor that was replaced before it could say so.

        Raises:
            SessionClosed: the session was closed meanwhile.
            ActorDead, ActorCrashed: the actor is gone.
        """
        env = self.alive()
        tries = TRIES
        while True:
            env.asked += 1
            answer: Future[Any] = ref.ask(message, block=False)
            answer.add_done_callback(env.note_answer)
            try:
                return await answer
            except asyncio.CancelledError:
                if undo is not None:
                    answer.add_done_callback(partial(_undo, undo))
                raise
            except (ActorDead, ActorCrashed):
                self.alive()  # that the session has ended is the better news
                if done():
                    return None
                tries -= 1
                if not tries or not ref.is_alive():
                    raise  # more might mean that the message itself is what its actors crash over

    async def _ask_own(self, name: str, message: Any, **values: Any) -> Any:
        """Ask one of the session's own actors."""
        try:
            return await self.ask(self._refs[name], message, **values)
        except (ActorDead, ActorCrashed) as error:
            raise self._failed() from error

    def _failed(self) -> SessionClosed:
        return SessionClosed(f"session {self.name!r} has failed: its own actors were restarted too often")

    async def spec(self, wanted: Any) -> ProcessorSpec:
        """Return the spec that ``wanted`` means; what must be imported is, on another thread."""
        env = self.alive()
        if not isinstance(wanted, str) or wanted in env.specs or self._runtime.simulated:
            return spec_for(wanted, env.specs, env.resolve)
        return await asyncio.to_thread(spec_for, wanted, env.specs, env.resolve)


def _spec(name: str, actor_class: type[Any], *args: Any) -> ChildSpec:
    return ChildSpec(id=name, start=actor_class, args=args, shutdown_ns=ShutdownBudget.INFINITE)


def _undo_open(env: Env, room: RoomState, _: ActorRef[Any] | None) -> None:
    room.closing = True  # first: one that is only starting sees this
    if room.actor is None:
        close_room(env, room)
    else:
        room.actor.send(CloseRoom())


def _undo_hold(env: Env, granted: Granted | None) -> None:
    if granted is not None:
        give_back(env, granted)


def _undo(undo: Callable[[Any], object], answer: Future[Any]) -> None:
    undo(answer.outcome() if answer.error() is None else None)

"""What people hold of a stream, of a processor, of media time. Made by a session's other handles."""

import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from greenroom.actors._desired import Granted, StreamState
from greenroom.actors._env import Env
from greenroom.actors._holds import give_back
from greenroom.actors._leasing import Release, Transfer
from greenroom.actors._output import SimulatedIterator, SinkWriter, StreamIterator
from greenroom.actors._pacer import PacerScript
from greenroom.actors._stream import CloseStream
from greenroom.actors.errors import LeaseOver, SessionClosed, StreamClosed, StreamFailed
from greenroom.actors.frames import Frame
from greenroom.actors.processors import ProcessorSpec
from greenroom.actors.snapshots import ProcessorState, StreamSnapshot
from greenroom.supervision import ActorDead, ActorRef, Cause, Dispatcher, Future, LeaseRefused

if TYPE_CHECKING:
    from greenroom.actors.handles import Track
    from greenroom.actors.session import Session


class Stream(AsyncIterator[Frame]):
    """A stream that is open: an iterator of its frames, unless a sink takes them. Made by `Track.open_stream`.

    One that is dropped without `aclose` is closed when it is collected.
    """

    def __init__(self, track: "Track", state: StreamState) -> None:
        self._track = track
        self._state = state
        self._iterator: StreamIterator | None = None
        env = track._session.alive()
        if state.sink is None:
            self._forgotten: Any = weakref.finalize(self, _forget, state, env)
            self._forgotten.atexit = False
            state.disown = self._forgotten.detach
        else:
            executor = env.runtime.executor(Dispatcher.BLOCKING, "sink")
            self._writer = SinkWriter(state.output, state.sink, executor, partial(_written, state))

    @property
    def name(self) -> str:
        """Its name in its track."""
        return self._state.name

    def __aiter__(self) -> "Stream":
        return self

    def __anext__(self) -> Coroutine[Any, Any, Frame]:
        """Return the next frame.

        Raises:
            StopAsyncIteration: the stream has ended.
            StreamFailed: its source or its pipeline failed.
        """
        iterator = self._iterator
        if iterator is None:
            iterator = self._iterator = self._iterated()
        return iterator.__anext__()  # not awaited here: one coroutine less for each frame

    def _iterated(self) -> StreamIterator:
        if self._state.sink is not None:
            raise self._failed(TypeError("a sink takes its frames; it cannot be iterated as well"))
        runtime = self._track._session.alive().runtime
        # Not a method of this: what the output holds must not hold the stream, which would never be collected.
        output, failed = self._state.output, partial(_failure, self._track, self._state)
        return (
            SimulatedIterator(output, runtime, failed)
            if runtime.simulated
            else StreamIterator(output, failed)
        )

    def serve(self, wake: Callable[[], None]) -> None:
        """Read it by `take` instead of iterating: ``wake()`` is called, on any thread, when there is something again."""
        self._state.output.serve(wake)

    def take(self) -> Frame | None:
        """Return the next frame; None if there is none now, and then what `serve` was given is called once. Never blocks.

        For one thread at a time, and never together with an iteration.
        """
        taken = self._state.output.take()
        return taken if isinstance(taken, Frame) else None

    @property
    def in_flight(self) -> int:
        """How many frames are inside: in lanes, or waiting for who reads."""
        return self._state.meter.in_flight

    async def aclose(self) -> None:
        """End the stream now; what is inside is dropped and counted. Idempotent."""
        await self._close(discard=True)

    def hush(self) -> None:
        """Let nothing come out any more: who reads hears of the end at once, and no other thread is woken for it.

        The rest of the end is still to be asked for: by `stop`, `drain` or `aclose`. Any thread; idempotent.
        """
        self._state.discard = self._state.removed = True
        self._state.output.close()

    def stop(self) -> None:
        """End the stream now, without waiting for it; nothing comes out any more. Any thread; idempotent."""
        self.hush()
        end_stream(self._state, discard=True)

    async def keep(self) -> "tuple[Lease, ...]":
        """Hold the very processors that it uses, in order, beyond its end: for a stream that goes on in its place.

        No other stream gets them meanwhile, unless it is given these leases.

        Raises:
            StreamClosed: it has ended.
        """
        pipeline = self._state.pipeline
        if pipeline is None:
            raise StreamClosed(f"stream {self.name!r} of track {self._track.key!r} has ended")
        session = self._track._session
        return tuple([await session.keep(granted) for granted in pipeline.granted])

    async def drain(self) -> None:
        """End the stream after what is inside has come out; for one with a sink, after it was written."""
        await self._close(discard=False)

    async def _close(self, *, discard: bool) -> None:
        end_stream(self._state, discard=discard)
        await self._state.gone

    async def released(self) -> None:
        """Wait until it has ended, and every processor that nobody else uses is closed, or was given up."""
        await self._state.gone
        env = self._track._session.record()
        for name in self._state.pipeline_names:
            book = env.processors.get(name)
            actor = None if book is None else book.actor  # looked up once: a book that is over lets go of it
            if book is not None and book.state is ProcessorState.CLOSING and actor is not None:
                ended: Future[None] = Future(env.runtime)
                actor.watch(partial(_note_end, ended))
                await ended

    @property
    def over(self) -> bool:
        """Whether nothing of it is left but what was not read."""
        return self._state.gone.done()

    @property
    def ref(self) -> ActorRef[Any]:
        """The StreamActor's ref.

        Raises:
            StreamClosed: it is not open.
        """
        if self._state.actor is None or self._state.gone.done():
            raise StreamClosed(f"stream {self.name!r} of track {self._track.key!r} has ended")
        return self._state.actor

    async def ended(self) -> None:
        """Wait until the stream has ended, and its sink has finished.

        Raises:
            StreamFailed: it ended because of an error.
        """
        await self._state.done
        await self._state.written
        if self._state.error is not None:
            raise self._failed(self._state.error)

    def _failed(self, error: BaseException) -> StreamFailed:
        return _failure(self._track, self._state, error)

    def snapshot(self) -> StreamSnapshot:
        """Return its counts."""
        return self._state.snapshot(f"{self._track._state.path}/stream:{self.name}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Stream {self.name} of {self._track.key}>"


class Lease:
    """A processor held open. Given back by `release`, by leaving its ``async with``, or when it is collected."""

    def __init__(self, session: "Session", granted: Granted) -> None:
        self._session = session
        self._granted = granted
        self._forgotten: Any = weakref.finalize(self, give_back, session.record(), granted)
        self._forgotten.atexit = False
        granted.disown = self._forgotten.detach

    @property
    def processor(self) -> str:
        """The processor's name: ``denoise#1``."""
        return self._granted.name

    @property
    def over(self) -> bool:
        """Whether it was released, or its processor is gone."""
        return self._granted.over or not self._granted.processor.is_alive()

    @property
    def spec(self) -> ProcessorSpec:
        """How its processor is built and hosted."""
        return self._granted.spec

    def give_back(self) -> None:
        """As `release`, without waiting. Any thread."""
        self._forgotten()

    async def release(self) -> None:
        """Give it back. Idempotent; the last one out closes the processor."""
        if self._forgotten.detach() is None:
            return
        granted = self._granted
        give_back(self._session.record(), granted)
        try:
            await self._session.ask(granted.processor, Release(lease_id=granted.lease_id))
        except (ActorDead, SessionClosed):
            return

    async def transfer(self, stream: Stream) -> None:
        """Make ``stream`` its holder: the processor then stays open as long as that stream does.

        Raises:
            LeaseOver: it has ended.
            StreamClosed: the stream has; the lease stays with you.
        """
        granted = self._granted
        if granted.over:
            raise LeaseOver(f"the lease on {self.processor!r} has ended; hold the processor again")
        ref, processor, lease_id = stream.ref, granted.processor, granted.lease_id
        message = Transfer(lease_id=lease_id, holder=ref, incarnation=ref.incarnation)
        try:
            await self._session.ask(processor, message)
        except ActorDead as error:
            raise LeaseOver(f"processor {self.processor!r} was closed") from error
        except LeaseRefused as error:
            raise StreamClosed(f"stream {stream.name!r} has ended; the lease was not transferred") from error
        self._forgotten.detach()
        granted.over = True
        self._session.record().holds.pop(granted, None)
        if (granted.processor, granted.lease_id) != (processor, lease_id):
            # Its processor has gone since, and another one was obtained before we heard that this one is the stream's.
            give_back(self._session.record(), granted)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.release()

    def __repr__(self) -> str:
        return f"<Lease {self._granted.lease_id} on {self.processor}>"


class Script:
    """Somebody who acts at given instants of media time. Made by `Session.script`."""

    def __init__(self, script: PacerScript, runtime: Any) -> None:
        self._script = script
        self._runtime = runtime

    async def until(self, at_ns: int) -> None:
        """Return when media time is ``at_ns`` or later."""
        reached: Future[None] = Future(self._runtime)
        self._script.request(at_ns, partial(_reached, reached))
        await reached

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._script.release()


def _written(state: StreamState, error: BaseException | None) -> None:
    """Hear from the sink's writer, on its thread."""
    if error is not None and state.error is None:
        state.error = error
    state.written.try_set(None)
    if error is not None:
        end_stream(state, discard=True)


def end_stream(state: StreamState, *, discard: bool) -> None:
    """End a stream, whichever actor has it now or will have. Any thread; a finalizer too."""
    state.discard = state.discard or discard
    state.removed = True
    if state.actor is not None and not state.gone.done():
        state.actor.send(CloseStream(discard=discard))


def _failure(track: "Track", state: StreamState, error: BaseException) -> StreamFailed:
    told = track._session.record().told(error)
    return StreamFailed(f"{track._state.path}/stream:{state.name}", error, told)


def _forget(state: StreamState, env: Env) -> None:
    """Close a stream whose handle was collected; what nobody has read is counted as dropped.

    The collector may run this on a thread that is just inside the output, the meter or the pacer: so no lock is taken here.
    """
    end_stream(state, discard=True)
    if state.output.unread:
        env.later(state.output.close)


def _note_end(ended: Future[None], _incarnation: int, _cause: Cause) -> None:
    ended.try_set(None)


def _reached(reached: Future[None]) -> None:
    reached.try_set(None)

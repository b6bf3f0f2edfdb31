"""A line: what works behind one `AudioStream`, from LiveKit's track to the pipeline, and takes itself apart at the end.

Nothing of it holds the `AudioStream` itself: so one that is dropped is collected, and its line ends.

    track -> native stream -> tap -> feed -> pipeline -> output -> AudioStream

Laws:
    1. A line that was cut hands out nothing more, at once, whatever is still on its way; who reads it is told of the end
       before any actor is (`cut`).
    2. One whose track has ended by itself hands out what is inside first (`end`).
    3. Whatever ended it, natives are closed, leases given back, its seat left; once.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from greenroom.actors import Feed, Lease, ProcessorSpec, Session, SessionError, Stream
from greenroom.adapters.livekit._frames import Heard
from greenroom.adapters.livekit._hosting import hosted
from greenroom.adapters.livekit._lobby import Lobby
from greenroom.adapters.livekit._native import Native, Shape, nothing
from greenroom.adapters.livekit._sdk import rtc
from greenroom.adapters.livekit._seats import Seat
from greenroom.supervision import get_logger

SECOND_NS: Final = 1_000_000_000


class Keeper(Protocol):
    """Keeps the processors of a track that may come back: after a full reconnect it is another one."""

    def take(self, specs: Sequence[ProcessorSpec]) -> Sequence[Lease | None]:
        """Hand over what is kept, for each of ``specs`` or not."""
        ...

    def park(self, leases: Sequence[Lease]) -> None:
        """Keep these for a while. Any thread."""
        ...


class Line:
    """One stream's works. Methods are for its loop's thread, but those that say otherwise.

    Args:
        loop: its own.
        shape: of its frames.
        wanted: its processors.
        options: a filter inside the SDK.
        capacity_frames: of its output.
        lobby: whose session it is in.
        seat: its place there.
        keeper: keeps its processors beyond its end, or None.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        shape: Shape,
        *,
        wanted: Sequence[Any],
        options: rtc.NoiseCancellationOptions | None,
        capacity_frames: int,
        lobby: Lobby,
        seat: Seat,
        keeper: Keeper | None,
    ) -> None:
        self.loop = loop
        self.seat = seat
        self.follows = False
        self.stream: Stream | None = None
        self.error: BaseException | None = None
        self.on_over: Callable[[Line], None] = _ignore
        self.on_room: Callable[[], None] = nothing
        self._shape = shape
        self._wanted = wanted
        self._options = options
        self._capacity_frames = capacity_frames
        self._lobby = lobby
        self._keeper = keeper
        self._leases: Sequence[Lease] = ()
        self._feed = Feed(on_closed=self._on_feed_closed)
        self._native: Native | None = None
        self._at_frames = self._frame_frames = 0
        self._cut = self._park = self._abandoned = False
        self._closing: asyncio.Future[None] | None = None
        self._shutting: set[asyncio.Task[None]] = set()
        self._opened: asyncio.Future[None] = loop.create_future()
        self._opening: asyncio.Task[None] | None = None

    # -- the beginning --------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Have the pipeline opened; frames wait meanwhile."""
        self._lobby.arrive()
        self._opening = self.loop.create_task(self._open())

    def hear(self, track: rtc.Track) -> None:
        """Read this track from now on, and no other."""
        if self._cut or self._closing is not None:
            return
        self._shut_native()
        self._native = Native(
            track,
            self._shape,
            self.loop,
            options=self._options,
            hear=self._hear,
            missed=self._missed,
            on_end=self._on_native_end,
            on_room=self.on_room,
        )

    def hear_soon(self, track: rtc.Track) -> None:
        """As `hear`, from any thread."""
        self._on_loop(lambda: self._try_hear(track))

    def _try_hear(self, track: rtc.Track) -> None:
        try:
            self.hear(track)
        except Exception as error:  # noqa: BLE001 - foreign code: whatever it raises ends this stream alone
            get_logger().warning("livekit.stream_open_failed", error=type(error).__name__)
            self._feed.end(error)

    def _hear(self, frame: Heard) -> None:
        frame.timestamp_ns = self._at_frames * SECOND_NS // frame.rate_hz
        self._at_frames += frame.frames
        self._frame_frames = frame.frames
        self._feed.push(frame)

    def _missed(self, count: int) -> None:
        self._at_frames += count * self._frame_frames
        self._feed.missed(count)

    async def _open(self) -> None:
        try:
            session = await self._lobby.session()
            steps = [await self._step(session, wanted) for wanted in self._wanted]
            track = await self.seat.open()
            await self._open_stream(track, steps)
        except Exception as error:  # noqa: BLE001 - whoever iterates gets it
            self.error = error
            self._feed.close()
        except BaseException:
            self._feed.close()
            raise
        finally:
            if not self._opened.done():
                self._opened.set_result(None)

    async def _open_stream(self, track: Any, steps: Sequence[ProcessorSpec | Lease]) -> None:
        specs = [step.spec if isinstance(step, Lease) else step for step in steps]
        kept = [None] * len(specs) if self._keeper is None else self._keeper.take(specs)
        chosen = [
            step if isinstance(step, Lease) else lease or step
            for step, lease in zip(steps, kept, strict=True)
        ]
        try:
            stream = await track.open_stream(chosen, feed=self._feed, capacity_frames=self._capacity_frames)
        finally:
            for lease in kept:
                if lease is not None:
                    lease.give_back()
        leases = await self._keep(stream)
        # One that was cut meanwhile has its processors kept all the same: the track may be back already.
        self._leases, self.stream = leases, stream
        if self._cut:
            self.cut(park=self._park)

    async def _keep(self, stream: Stream) -> Sequence[Lease]:
        if self._keeper is None:
            return ()
        try:
            return await stream.keep()
        except SessionError:
            return ()  # it has ended: there is nothing to keep

    def _release(self) -> None:
        leases, self._leases = self._leases, ()
        for lease in leases:
            lease.give_back()

    async def _step(self, session: Session, wanted: Any) -> ProcessorSpec | Lease:
        return wanted if isinstance(wanted, Lease) else await hosted(session, wanted)

    async def opened(self) -> None:
        """Return when the pipeline is open, or will never be."""
        await asyncio.shield(self._opened)

    # -- the end --------------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether it was cut."""
        return self._cut

    def deafen(self) -> None:
        """Read no track for the time being. Any thread."""
        native = self._native
        if native is not None:
            native.deafen()
            self._on_loop(self._shut_native)

    def end(self) -> None:
        """Nothing more will come; what is inside still comes out. Any thread."""
        native = self._native
        if native is not None:
            native.deafen()
        self._on_loop(self._feed.end)

    def cut(self, *, park: bool = False) -> None:
        """Hand out nothing more. Any thread; idempotent.

        Args:
            park: keep the processors, as the track may come back.
        """
        native, stream, before = self._native, self.stream, self._cut
        self._cut = True
        self._park = park
        if native is not None:
            native.deafen()
        if stream is not None:
            stream.hush()
        if park and self._keeper is not None:
            leases, self._leases = self._leases, ()
            self._keeper.park(leases)
        if not before:
            self._on_loop(self._after_reader)

    def _after_reader(self) -> None:
        """Wind up behind whoever reads: actors are told only then, as their threads would have the interpreter first."""
        self.loop.call_soon(self._wind_up)

    def drop(self) -> None:
        """Nobody has the stream any more: `cut` it, soon.

        The garbage collector calls it, on any thread and in the middle of anything: so no lock is taken here.
        """
        if self._cut:
            return
        try:
            self.loop.call_soon_threadsafe(self.cut)
        except RuntimeError:
            self._lobby.later(self._abandon)

    def _on_native_end(self, cancelled: bool) -> None:
        """The SDK says that the track has ended: for one that follows, another may come, unless the loop ends."""
        if cancelled:
            self._abandon()
        elif not self.follows:
            self._feed.end()

    def _on_feed_closed(self) -> None:
        """The pipeline has ended, in order or not. Any thread."""
        self._on_loop(self._wind_up)

    def _on_loop(self, what: Callable[[], object]) -> None:
        try:
            self.loop.call_soon_threadsafe(what)
        except RuntimeError:
            self._abandon()

    def _abandon(self) -> None:
        """The loop has ended without closing the stream: nothing runs on it any more. Without waiting; any thread."""
        if self._abandoned or self._closing is not None:
            return
        self._abandoned = self._cut = True
        self.on_over(self)
        if self.stream is not None:
            self.stream.stop()
        if self._native is not None:
            self._native.free()
        self._feed.close()
        self._release()
        self.seat.drop()
        self._lobby.leave()

    def _shut_native(self) -> None:
        native, self._native = self._native, None
        if native is not None:
            task = self.loop.create_task(native.close())
            self._shutting.add(task)
            task.add_done_callback(self._shutting.discard)

    def _wind_up(self) -> "asyncio.Future[None]":
        if self._closing is None and self._abandoned:
            self._closing = self.loop.create_future()
            self._closing.set_result(None)
        if self._closing is None:
            self._closing = self.loop.create_task(self._close())
        return self._closing

    async def _close(self) -> None:
        self.on_over(self)
        if self._native is not None:
            self._native.deafen()
        self._shut_native()
        self._feed.close()
        if self._opening is not None:
            await asyncio.wait([self._opening])
        self._release()
        try:
            await self.seat.settled()
            if self.stream is not None:
                await self.stream.drain()
                await self.stream.released()
            await self.seat.leave()
        except SessionError:
            pass  # the session has ended, and the stream with it
        finally:
            self._lobby.leave()
        if self._shutting:
            await asyncio.wait(self._shutting)

    async def close(self) -> None:
        """Cut it, and return when nothing of it is left. Should the caller be cancelled, the end goes on to its end."""
        self.cut()
        await asyncio.shield(self._wind_up())


def _ignore(_: Line) -> None:
    """Nobody wants to know."""

"""The stream: it holds the leases of its pipeline, joins their lanes, and takes them apart again in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from greenroom.actors._desired import Granted, Pipeline, StreamState, TrackState
from greenroom.actors._directory import Obtain
from greenroom.actors._env import Env
from greenroom.actors._guard import FrameReceiver
from greenroom.actors._head import StreamHead
from greenroom.actors._host import Lane
from greenroom.actors._leasing import Acquire, Release, Transfer, Want
from greenroom.actors.context import Context
from greenroom.actors.processors import ProcessorSpec
from greenroom.actors.snapshots import EventKind
from greenroom.supervision import START_LATER, Actor, ActorRef, Down, Future, SupervisionError

WINDOW_FRAMES: Final = 32
"""FAST pace: how many frames of one stream are inside at a time, unless a lane holds fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UseContext:
    """Tell the stream's processors this, from now on."""

    context: Context


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseStream:
    """End the stream. What is inside comes out first, or with ``discard`` is dropped and counted."""

    discard: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEnded:
    """Told by the head: nothing more will come; ``error`` if that is a failure."""

    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """Told by a lane that was closed: nothing is left inside."""

    lane: int


class ProcessorLost(RuntimeError):  # noqa: N818 - it says what happened
    """A processor of the pipeline is gone although it was leased; the stream starts over with another one."""


class StreamActor(Actor):
    """One stream: source -> processors -> output."""

    def __init__(self, env: Env, track: TrackState, state: StreamState, directory: ActorRef[Any]) -> None:
        self._env = env
        self._track = track
        self._state = state
        self._directory = directory
        self._waiting = 0
        self._granted: list[Granted | None] = []
        self._ending = False
        self._error: BaseException | None = None
        self._discard = False

    @property
    def _path(self) -> str:
        return f"{self._track.path}/stream:{self._state.name}"

    def on_start(self) -> Any:
        """Take over a pipeline that runs, or obtain the leases for a new one."""
        state = self._state
        state.actor = self.actor_ref
        if state.pipeline is not None and state.moving:
            return self._take_over(state.pipeline)
        self._granted = [None] * len(state.steps)
        self._waiting = len(state.steps)
        if not state.steps:
            self._build(())
            return None
        for index, step in enumerate(state.steps):
            self.when(self._wanted(step), self._on_granted, index)
        return START_LATER

    def on_receive(self, message: Any) -> Any:
        """Pass context on; end when told, or when the source has ended."""
        match message:
            case UseContext(context=context):
                self._want(context)
            case CloseStream(discard=discard):
                self._close(None, discard=discard)
            case SourceEnded(error=error):
                self._close(error, discard=False)
            case Drained(lane=lane):
                self._on_drained(lane)
            case Down(ref=ref):
                if not self._ending:
                    raise ProcessorLost(ref.name)
            case _:
                return super().on_receive(message)
        return None

    def on_stop(self) -> None:
        """Let go of everything, unless a move takes it over; in order if it ended by itself."""
        state = self._state
        if state.moving or state.done.done():
            return
        self._let_go()
        if state.removed or self._track.removed or self._env.closing:
            self._finish_output()

    def on_failure(self, *_: Any, **__: Any) -> None:
        """Let go of the pipeline; the output stays for the next incarnation."""
        self._let_go()

    # -- the beginning --------------------------------------------------------------------------------------

    def _wanted(self, step: ProcessorSpec | ActorRef[Any]) -> Future[Granted]:
        me, context = self.actor_ref, self._track.context
        held = self._track.held.get(step.name) if isinstance(step, ProcessorSpec) else step
        if held is not None and held.is_alive():
            ask = Acquire(holder=me, incarnation=self.incarnation, context=context)
            return held.ask(ask, block=False)
        assert isinstance(step, ProcessorSpec), "a lease's processor is gone"
        obtain = Obtain(spec=step, holder=me, incarnation=self.incarnation, context=context, streaming=True)
        return self._directory.ask(obtain, block=False)

    def _on_granted(self, answer: Future[Granted], index: int) -> None:
        self._granted[index] = answer.outcome()  # an error is this start's failure
        self._waiting -= 1
        if not self._waiting:
            self._build([granted for granted in self._granted if granted is not None])
            self.acknowledge()

    def _build(self, granted: Sequence[Granted]) -> None:
        state, me = self._state, self.actor_ref
        receiver: FrameReceiver = state.output
        lanes: list[Lane] = []
        for each in reversed(granted):
            lane = each.host.lane(receiver, state.meter)
            lanes.insert(0, lane)
            receiver = lane
        capacities = [s.capacity_frames for s in state.steps if isinstance(s, ProcessorSpec)]
        head = StreamHead(
            receiver,
            state.meter,
            window=min([WINDOW_FRAMES, *capacities]),
            on_end=partial(_source_ended, me),
            on_room=self._env.pacer.nudge,
        )
        state.pipeline = Pipeline(head=head, lanes=lanes, granted=list(granted))
        state.pipeline_names = tuple(each.name for each in granted)
        for each in granted:
            self.monitor(each.processor)
        # The track may have been republished, moved or refreshed while the leases were on their way.
        self._want(self._track.context)
        self._track.fan.attach(head)
        self._env.emit(EventKind.STREAM_OPENED, self._path, pipeline=" ".join(state.pipeline_names))

    def _take_over(self, pipeline: Pipeline) -> Any:
        self._state.moving = False
        self._waiting = len(pipeline.granted)
        self._rehead(pipeline)
        if not self._waiting:
            return None
        for granted in pipeline.granted:
            transfer = Transfer(
                lease_id=granted.lease_id, holder=self.actor_ref, incarnation=self.incarnation
            )
            self.when(granted.processor.ask(transfer, block=False), self._on_taken_over, granted)
        return START_LATER

    def _rehead(self, pipeline: Pipeline) -> None:
        """Have the running head tell this actor, not the one before, when its source ends."""
        me = self.actor_ref
        pipeline.head.on_end = partial(_source_ended, me)

    def _on_taken_over(self, answer: Future[None], granted: Granted) -> None:
        answer.outcome()
        self.monitor(granted.processor)
        granted.processor.send(Want(lease_id=granted.lease_id, context=self._track.context))
        self._waiting -= 1
        if not self._waiting:
            self.acknowledge()

    def _want(self, context: Context) -> None:
        if self._state.pipeline is None or self._ending:
            return
        for granted in self._state.pipeline.granted:
            granted.processor.send(Want(lease_id=granted.lease_id, context=context))

    # -- the end --------------------------------------------------------------------------------------------

    def _close(self, error: BaseException | None, *, discard: bool) -> None:
        """Close lane after lane, each when the one before is empty, then the output, then the leases."""
        if discard and not self._discard:
            self._discard = True
            self._state.output.close()
        if self._ending or self._state.pipeline is None:
            return
        self._ending = True
        self._error = error
        pipeline = self._state.pipeline
        pipeline.head.close()
        self._track.fan.detach(pipeline.head)
        self._on_drained(-1)

    def _on_drained(self, lane: int) -> None:
        pipeline = self._state.pipeline
        assert pipeline is not None
        following = lane + 1
        if following < len(pipeline.lanes):
            me = self.actor_ref
            pipeline.lanes[following].close(lambda: _send(me, Drained(lane=following)), discard=self._discard)
            return
        self._finish_output()
        self._waiting = len(pipeline.granted) + 1
        for granted in pipeline.granted:
            released = granted.processor.ask(Release(lease_id=granted.lease_id), block=False)
            self.when(released, self._on_let_go)
        self.when(self._state.written, self._on_let_go)

    def _on_let_go(self, _: Future[Any]) -> None:
        self._waiting -= 1
        if not self._waiting:
            self.end()

    def _finish_output(self) -> None:
        state = self._state
        if state.done.done():
            return
        error = self._error or state.error
        if error is not None:
            state.error = error
            state.output.fail(error)
            self._env.emit(EventKind.STREAM_FAILED, self._path, error=self._env.told(error))
        elif self._env.closing or self._discard:
            state.output.close()
        else:
            state.output.end()
        if state.sink is None:
            state.written.try_set(None)
        self._env.emit(EventKind.STREAM_ENDED, self._path, frames_in=state.meter.frames_in)
        state.done.try_set(None)

    def _let_go(self) -> None:
        pipeline, self._state.pipeline = self._state.pipeline, None
        if pipeline is None:
            return
        pipeline.head.close()
        self._track.fan.detach(pipeline.head)
        for lane in pipeline.lanes:
            lane.close(_nothing, discard=True)


def _send(ref: ActorRef[Any], message: Any) -> None:
    try:
        ref.send(message)
    except SupervisionError:
        return  # from a thread that was given up


def _source_ended(ref: ActorRef[Any], error: BaseException | None) -> None:
    _send(ref, SourceEnded(error=error))


def _nothing() -> None:
    """Nobody waits for these lanes to be drained."""

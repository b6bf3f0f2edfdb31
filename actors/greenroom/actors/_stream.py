"""The stream: it holds the leases of its pipeline, joins their lanes, and takes them apart again in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from greenroom.actors._desired import Granted, Pipeline, Step, StreamState, TrackState
from greenroom.actors._directory import Obtain
from greenroom.actors._env import Env
from greenroom.actors._guard import FrameReceiver
from greenroom.actors._head import Fan, StreamHead
from greenroom.actors._host import Lane
from greenroom.actors._leasing import Release, Transfer, Want
from greenroom.actors.context import Context
from greenroom.actors.feed import Feed
from greenroom.actors.snapshots import EventKind
from greenroom.supervision import IGNORE, START_LATER, Actor, ActorRef, Down, Future, SupervisionError

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
        self._pipeline: Pipeline | None = None
        self._ending = False

    @property
    def _inlet(self) -> Fan | Feed:
        return inlet_of(self._track, self._state)

    @property
    def _path(self) -> str:
        return f"{self._track.path}/stream:{self._state.name}"

    def on_start(self) -> Any:
        """Take over a pipeline that runs, or obtain the leases for a new one; nothing, if it should end."""
        state = self._state
        state.actor = self.actor_ref
        moved, state.moving = state.moving, False
        if moved and state.pipeline is not None:
            return self._take_over(state.pipeline)
        if self._over:
            self._finish_output()
            return IGNORE
        return self._obtain_all()

    @property
    def _over(self) -> bool:
        return self._state.removed or self._track.removed or self._env.closing or self._state.done.done()

    def on_receive(self, message: Any) -> Any:
        """Pass context on; end when told, or when the source has ended."""
        match message:
            case UseContext(context=context):
                self._want(context)
            case CloseStream(discard=discard):
                self._close(discard=discard)
            case SourceEnded(error=error):
                if self._state.error is None:
                    self._state.error = error
                self._close(discard=False)
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
        if self._state.moving and not self._ending:
            return
        self._let_go()
        if self._over:
            self._finish_output()

    def on_failure(self, *_: Any, **__: Any) -> None:
        """Let go of the pipeline; the output stays for the next incarnation."""
        self._let_go()

    def on_given_up(self) -> None:
        """The same."""
        self._let_go()

    # -- the beginning --------------------------------------------------------------------------------------

    def _obtain_all(self) -> Any:
        steps = self._state.steps
        before = self._state.drained
        self._granted = [None] * len(steps)
        self._waiting = len(steps)
        if before is not None and not before.done():
            self._waiting += 1  # or its last frame would come out behind newer ones
            self.when(before, self._on_ready)
        if not self._waiting:
            self._build(())
            return None
        for index, step in enumerate(steps):
            self.when(self._obtain(step), self._on_granted, index)
        return START_LATER

    def _obtain(self, step: Step) -> Future[Granted]:
        obtain = Obtain(
            spec=step.spec,
            holder=self.actor_ref,
            incarnation=self.incarnation,
            context=self._track.context,
            streaming=True,
            very=step.processor,
            kept=self._track.kept,
        )
        return self._directory.ask(obtain, block=False)

    def _on_granted(self, answer: Future[Granted], index: int) -> None:
        self._granted[index] = answer.outcome()  # an error is this start's failure
        self._on_ready()

    def _on_ready(self, _: Any = None) -> None:
        self._waiting -= 1
        if self._waiting:
            return
        self._build([granted for granted in self._granted if granted is not None])
        self.acknowledge()
        if self._over:
            self._close(discard=self._state.discard)

    def _build(self, granted: Sequence[Granted]) -> None:
        state, me = self._state, self.actor_ref
        receiver: FrameReceiver = state.output
        lanes: list[Lane] = []
        for each in reversed(granted):
            lane = each.host.lane(receiver, state.meter, each.lease_id)
            lanes.insert(0, lane)
            receiver = lane
        head = StreamHead(
            receiver,
            state.meter,
            window=min([WINDOW_FRAMES, *(each.spec.capacity_frames for each in granted)]),
            on_end=partial(_source_ended, me),
            on_room=self._env.pacer.nudge,
        )
        state.pipeline = self._pipeline = Pipeline(head=head, lanes=lanes, granted=list(granted))
        state.pipeline_names = tuple(each.name for each in granted)
        for each in granted:
            self.monitor(each.processor)
        # The track may have been republished, moved or refreshed while the leases were on their way.
        self._want(self._track.context)
        self._inlet.attach(head)
        self._env.emit(
            EventKind.STREAM_OPENED,
            self._path,
            incarnation=self.incarnation,
            pipeline=" ".join(state.pipeline_names),
        )

    def _take_over(self, pipeline: Pipeline) -> Any:
        self._pipeline = pipeline
        self._waiting = len(pipeline.granted)
        # The running head tells this actor from now on when its source ends, not the one before.
        pipeline.head.on_end = partial(_source_ended, self.actor_ref)
        if not self._waiting:
            self.after(0, self._taken_over)
        for granted in pipeline.granted:
            transfer = Transfer(
                lease_id=granted.lease_id, holder=self.actor_ref, incarnation=self.incarnation
            )
            self.when(granted.processor.ask(transfer, block=False), self._on_taken_over, pipeline, granted)
        return START_LATER

    def _on_taken_over(self, answer: Future[None], pipeline: Pipeline, granted: Granted) -> None:
        if self._pipeline is not pipeline:
            return  # another lease of it was lost, and it was let go of; there may be a new one by now
        if answer.error() is not None:
            self._start_over()
            return
        self.monitor(granted.processor)
        granted.processor.send(Want(lease_id=granted.lease_id, context=self._track.context))
        self._waiting -= 1
        if not self._waiting:
            self._taken_over()

    def _taken_over(self) -> None:
        self.acknowledge()
        if self._over:
            self._close(discard=self._state.discard)
        elif self._inlet.over:
            self._inlet.attach(self._running.head)  # the source ended while nobody listened

    def _start_over(self) -> None:
        """A lease was lost on the way: let go of the others, and obtain new ones."""
        pipeline = self._running
        self._let_go()
        for granted in pipeline.granted:
            granted.processor.send(Release(lease_id=granted.lease_id))
        if self._over:
            self._finish_output()
            self.end()
        elif self._obtain_all() is not START_LATER:
            self.acknowledge()

    @property
    def _running(self) -> Pipeline:
        assert self._pipeline is not None
        return self._pipeline

    def _want(self, context: Context) -> None:
        if self._pipeline is None or self._ending:
            return
        for granted in self._pipeline.granted:
            granted.processor.send(Want(lease_id=granted.lease_id, context=context))

    # -- the end --------------------------------------------------------------------------------------------

    def _close(self, *, discard: bool) -> None:
        """Close lane after lane, each when the one before is empty, then the output, then the leases."""
        state = self._state
        state.removed = True
        if discard and not state.discard:
            state.discard = True
        if state.discard:
            state.output.close()
        if state.feed is not None:
            state.feed.close()
        pipeline = self._pipeline
        if pipeline is None:
            return
        if not self._ending:
            self._ending = True
            pipeline.head.close()
            self._inlet.detach(pipeline.head)
            self._on_drained(-1)

    def _on_drained(self, lane: int) -> None:
        pipeline = self._running
        following = lane + 1
        if following < len(pipeline.lanes):
            told = partial(_send, self.actor_ref, Drained(lane=following))
            pipeline.lanes[following].close(told, discard=self._state.discard)
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
        if state.feed is not None:
            state.feed.close()
        if state.done.done():
            return
        if state.error is not None:
            state.output.fail(state.error)
            self._env.emit(EventKind.STREAM_FAILED, self._path, error=self._env.told(state.error))
        elif self._env.closing or state.discard:
            state.output.close()
        else:
            state.output.end()
        if state.sink is None:
            state.written.try_set(None)
        self._env.emit(EventKind.STREAM_ENDED, self._path, frames_in=state.meter.frames_in)
        state.done.try_set(None)

    def _let_go(self) -> None:
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is None:
            return
        if self._state.pipeline is pipeline:
            self._state.pipeline = None
        self._inlet.detach(pipeline.head)
        self._state.drained = Future(self.runtime)
        pipeline.discard(self._state.drained)


def inlet_of(track: TrackState, stream: StreamState) -> Fan | Feed:
    """Return where a stream's frames come from."""
    return stream.feed or track.fan


def _send(ref: ActorRef[Any], message: Any) -> None:
    try:
        ref.send(message)
    except SupervisionError:
        return  # from a thread that was given up


def _source_ended(ref: ActorRef[Any], error: BaseException | None) -> None:
    _send(ref, SourceEnded(error=error))

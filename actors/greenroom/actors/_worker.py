"""The worker: the only actor that calls a processor. It may crash or hang; nothing is lost with it."""

from dataclasses import dataclass
from typing import Any, Final, assert_never

from greenroom.actors._books import Instance, ProcessorBook
from greenroom.actors._context import Call, ClearCredentials, ClearStreamInfo, PushCredentials, PushStreamInfo
from greenroom.actors._host import Host
from greenroom.actors._specs import missing_in
from greenroom.actors.processors import Placement, Processor, ProcessorSpec
from greenroom.supervision import Actor, Dispatcher

DISPATCHERS: Final = {
    Placement.INLINE: Dispatcher.BLOCKING,  # only what is not about a frame runs there
    Placement.THREAD: Dispatcher.ELASTIC,
    Placement.PINNED: Dispatcher.PINNED,
}
"""Which threads run a worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """Apply the first context, then let frames through. Answered when that is done."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """Tell the processor what has changed. Answered when that is done."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """Crash with ``error``: the processor raised it over a frame."""

    error: BaseException


class ProcessorWorker(Actor):
    """Builds the processor when it starts and closes it when it ends, whatever ends it."""

    def __init__(self, spec: ProcessorSpec, host: Host, book: ProcessorBook) -> None:
        self._spec = spec
        self._host = host
        self._book = book
        self._instance: Instance | None = None

    def on_start(self) -> None:
        """Run the factory: foreign code, within the build budget."""
        processor = _built(self._spec)
        self._instance = Instance(processor, self._book, self.runtime.lock(), self.incarnation)
        self._book.note_opened(self._instance)

    def on_receive(self, message: Any) -> Any:
        """Apply, begin, or crash as told."""
        match message:
            case Begin(calls=calls):
                self._apply(calls)
                assert self._instance is not None
                return self._book.install(self._instance, self.executor)
            case Apply(calls=calls):
                return self._apply(calls)
            case Fail(error=error):
                raise error
            case _:
                return super().on_receive(message)

    def on_stop(self) -> None:
        """Close the processor."""
        self._dispose()

    def on_failure(self, *_: Any, **__: Any) -> None:
        """Close the processor that failed; a new one is built by the next incarnation."""
        self._dispose()

    def on_given_up(self) -> None:
        """Close the processor, unless a call of it still runs: then that call's own thread does it."""
        instance = self._instance
        if instance is None:
            return
        self._book.retire(instance, given_up=True)
        if not self._host.calling(instance.processor):
            instance.dispose()

    def _dispose(self) -> None:
        instance = self._instance
        if instance is not None:
            self._book.retire(instance)  # a turn may be next on this very thread
            with self._host.exclusive():
                instance.dispose()

    def _apply(self, calls: tuple[Call, ...]) -> None:
        instance = self._instance
        assert instance is not None
        with self._host.exclusive():
            for call in calls:
                _tell(instance, call)


def _tell(instance: Instance, call: Call) -> None:
    """Make one call of the contract. What is told is noted first: a push that fails half-way is cleared too."""
    match call:
        case PushStreamInfo(info=info):
            instance.has_info = True
            instance.call(
                "_on_stream_info_updated",
                room_name=info.room_name,
                participant_identity=info.participant_identity,
                publication_sid=info.publication_sid,
            )
        case PushCredentials(credentials=credentials):
            instance.has_credentials = True
            instance.call("_on_credentials_updated", token=credentials.token.reveal(), url=credentials.url)
        case ClearStreamInfo():
            instance.has_info = False
            instance.call("_on_stream_info_cleared")
        case ClearCredentials():
            instance.has_credentials = False
            instance.call("_on_credentials_cleared")
        case _:
            assert_never(call)


def _built(spec: ProcessorSpec) -> Processor:
    if spec.instance is not None:
        return spec.instance
    assert spec.factory is not None
    processor = spec.factory(**spec.options)
    missing = missing_in(processor)
    if missing:
        raise TypeError(
            f"the factory of processor {spec.name!r} returned {type(processor).__name__}, which has no "
            f"{', '.join(missing)}; a processor has enabled, _process and _close"
        )
    return processor

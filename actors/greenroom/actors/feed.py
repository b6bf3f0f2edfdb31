"""A feed: the way into one stream for audio that comes by itself, as from a network, and is pushed.

Laws:
    1. All of a stream's frames go in on the threads of who pushes them, one at a time: an actor that opens the stream
       never runs the pipeline, and a pusher never waits for an actor.
    2. What is pushed before the stream is open waits; past `WAITING_FRAMES` the oldest are dropped, and counted there.
    3. When the stream has ended, whatever ended it, ``on_closed`` is called once.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from greenroom.actors.frames import Frame

if TYPE_CHECKING:
    from greenroom.actors._head import StreamHead

WAITING_FRAMES: Final = 500
"""How many frames wait for a stream that is being opened: five seconds of the usual ones."""


def _nothing() -> None:
    """Nobody wants to know."""


class Feed:
    """Frames pushed into one stream. Made by who has the audio, given to `Track.open_stream`.

    `push`, `missed` and `end` are for one thread at a time, any one; the rest is for any thread.

    Args:
        on_closed: called once, on any thread, when nothing that is pushed is wanted any more. May only enqueue.
    """

    def __init__(self, *, on_closed: Callable[[], None] = _nothing) -> None:
        self._on_closed: list[Callable[[], None]] = [on_closed]
        self._waiting: deque[Frame] = deque(maxlen=WAITING_FRAMES)
        self._missed = 0
        self._head: StreamHead | None = None
        self._ended = False
        self._error: BaseException | None = None
        self._token: list[None] = [None]

    @property
    def over(self) -> bool:
        """Whether the source has ended."""
        return self._ended

    @property
    def closed(self) -> bool:
        """Whether nothing is wanted any more."""
        return not self._on_closed

    def push(self, frame: Frame) -> None:
        """Send a frame on its way. Its timestamp is later than the last one's."""
        head = self._head
        if head is not None:
            if self._waiting:
                self._catch_up(head)
            head.send(frame)
        elif self._on_closed:
            self._missed += len(self._waiting) == WAITING_FRAMES
            self._waiting.append(frame)

    def missed(self, frames: int) -> None:
        """Count frames that were lost on their way here, as ``overflow``."""
        self._missed += frames
        head = self._head
        if head is not None:
            self._catch_up(head)

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more will come; ``error`` if that is a failure. A second time does nothing."""
        if self._ended:
            return
        self._error = error
        self._ended = True
        self._tell_end()

    def attach(self, head: "StreamHead") -> None:
        """Send frames to ``head`` from the next push on. For the stream's actor."""
        self._head = head
        if self._ended:
            self._tell_end()

    def detach(self, head: object) -> None:
        """Send ``head`` nothing further; a frame may still be on its way. Idempotent."""
        if self._head is head:
            self._head = None

    def close(self) -> None:
        """Take nothing further. Idempotent."""
        self._head = None
        try:
            told = self._on_closed.pop()
        except IndexError:
            return
        self._waiting.clear()
        told()

    def _catch_up(self, head: "StreamHead") -> None:
        missed, self._missed = self._missed, 0
        if missed:
            head.missed(missed)
        while self._waiting:
            try:
                frame = self._waiting.popleft()
            except IndexError:
                return  # closed meanwhile
            head.send(frame)

    def _tell_end(self) -> None:
        """Tell the head that there is: who has the token does it, for whichever head comes meanwhile too."""
        while (head := self._head) is not None:
            try:
                self._token.pop()
            except IndexError:
                return
            self._catch_up(head)
            if self._error is None:
                head.end()
            else:
                head.fail(self._error)
            self._token.append(None)
            if self._head is head:
                return

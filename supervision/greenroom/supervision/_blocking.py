"""Finding calls that would block a simulated step: at once where Python calls them, else by a watchdog in real time.

Laws:
    - inside a simulated step, and nowhere else, the waits of the standard library that are Python functions raise
      instead of waiting, and say where they were called;
    - what waits in C (a held ``threading.Lock``, ``SimpleQueue.get``, a sleep that was imported by name) is found by a
      watchdog: a step whose thread has used no processor time for half a second is blocked, and one that computes
      for too long is endless. On the main thread it is interrupted by a signal and raises as well;
    - a process that simulates nothing is not touched: all of this begins with its first simulated step.

On another thread than the main one Python code is interrupted, but what waits in C can only be reported. The same
holds on systems without ``pthread_kill``.
"""

import ctypes
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading  # noqa: TID251 - real threads and real time are what this module guards against
import time  # noqa: TID251 - as above
import weakref
from asyncio.base_events import BaseEventLoop
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from greenroom.supervision._log import get_logger
from greenroom.supervision.errors import BlockingInHandler

if TYPE_CHECKING:
    from greenroom.supervision._stepping import Stepping

LOOK_S: Final = 0.05
QUIET_LOOKS: Final = 10
"""After so many looks without any use of the processor a step is blocked."""
USED_NS: Final = 200_000
"""Less processor time than this between two looks is none."""
PATIENCE_NS: Final = 20_000_000_000
"""A step that takes so much real time is taken to be endless."""
IDLE_LOOKS: Final = 20
"""After so many looks at no step at all the watchdog ends; the next step starts it again."""

_MACHINE: Final = str(Path(__file__).parent)
_LIBRARY: Final = str(Path(threading.__file__).parent)
_PACKAGES: Final = str(Path(_LIBRARY, "site-packages"))
_SIGNAL: Final = getattr(signal, "SIGURG", None)

in_step: Final[dict[int, "weakref.ref[Stepping]"]] = {}
"""By thread: the runtime whose steps it takes, or took last."""


def here() -> "Stepping | None":
    """Return the runtime in whose step the calling thread is, if it is in one."""
    known = in_step.get(threading.get_ident())
    runtime = None if known is None else known()
    return runtime if runtime is not None and runtime.thread_id() else None


def place(frame: FrameType | None) -> tuple[str, str]:
    """Return where the actor's code called something, and the function of the standard library that it called."""
    called = ""
    while frame is not None:
        code = frame.f_code
        library = code.co_filename.startswith(_LIBRARY) and not code.co_filename.startswith(_PACKAGES)
        if library:
            called = code.co_qualname
        elif not code.co_filename.startswith(_MACHINE):
            return f"{Path(code.co_filename).name}:{frame.f_lineno} in {code.co_name}", called
        frame = frame.f_back
    return "", called


# -- at once -----------------------------------------------------------------------------------------------------


def _waits(*_args: Any, **_: Any) -> bool:
    return True


def _sleeps(seconds: float) -> bool:
    return seconds > 0


def _socket_waits(given: socket.socket, *_args: Any, **_: Any) -> bool:
    return given.gettimeout() != 0


def _select_waits(_self: Any, timeout: float | None = None) -> bool:
    return timeout is None or timeout > 0


def _plain_select_waits(_r: Any, _w: Any, _x: Any, timeout: float | None = None) -> bool:
    return timeout is None or timeout > 0


_Waits = Callable[..., bool]
_GUARDED: Final[tuple[tuple[Any, str, str, _Waits], ...]] = (
    (time, "sleep", "time.sleep", _sleeps),
    (threading.Condition, "wait", "Condition.wait", _waits),
    (threading.Thread, "join", "Thread.join", _waits),
    (subprocess.Popen, "__init__", "subprocess.Popen", _waits),
    (subprocess.Popen, "wait", "Popen.wait", _waits),
    (BaseEventLoop, "run_forever", "an event loop", _waits),
    (select, "select", "select.select", _plain_select_waits),
    (selectors.DefaultSelector, "select", "selectors", _select_waits),
    (socket.socket, "accept", "socket.accept", _socket_waits),
    (socket.socket, "connect", "socket.connect", _socket_waits),
    (socket.socket, "recv", "socket.recv", _socket_waits),
    (socket.socket, "recv_into", "socket.recv_into", _socket_waits),
    (socket.socket, "sendall", "socket.sendall", _socket_waits),
)


def _guard(owner: Any, attribute: str, name: str, waits: _Waits) -> None:
    original = getattr(owner, attribute)

    @wraps(original)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        runtime = here()
        if runtime is not None and waits(*args, **kwargs):
            raise runtime.blocking(name, in_library=True)
        return original(*args, **kwargs)

    setattr(owner, attribute, guarded)


# -- by the watchdog -----------------------------------------------------------------------------------------------


class _Look:
    """What the watchdog has seen of one thread in one step."""

    def __init__(self, runtime: "Stepping", step: int, ident: int) -> None:
        self.runtime = runtime
        self.step = step
        self.began_ns = time.monotonic_ns()
        self.used_ns = _used_ns(ident)
        self.quiet = 0
        self.told = False

    def verdict(self, ident: int) -> str:
        """Look again; return what is wrong with the step, if anything is."""
        used_ns = _used_ns(ident)
        if used_ns is not None and self.used_ns is not None:
            self.quiet = self.quiet + 1 if used_ns - self.used_ns < USED_NS else 0
        self.used_ns = used_ns
        if self.quiet >= QUIET_LOOKS and _sleeping(ident):
            return "something that blocks"
        if time.monotonic_ns() - self.began_ns > self.runtime.patience_ns:
            return f"something that takes more than {self.runtime.patience_ns / 1e9:g} s of real time"
        return ""


def _used_ns(ident: int) -> int | None:
    if ident not in sys._current_frames():  # a thread that has ended must not be asked for
        return None
    try:
        return time.clock_gettime_ns(time.pthread_getcpuclockid(ident))
    except (AttributeError, OSError):  # not on this system
        return None


def _sleeping(ident: int) -> bool:
    """Whether a thread waits for something that may never come: not for the processor, nor for a disk."""
    native = next((thread.native_id for thread in threading.enumerate() if thread.ident == ident), None)
    try:
        status = Path(f"/proc/self/task/{native}/stat").read_text("ascii", "replace")
    except OSError:  # no Linux: then there is nothing to tell it by
        return True
    return status.rpartition(")")[2].split()[0] == "S"


class Watchdog:
    """Looks at all threads that take simulated steps, as long as there are any."""

    def __init__(self) -> None:
        self.awake = False
        self._guarded = False
        self._lock = threading.Lock()
        self._found: dict[int, tuple[_Look, str]] = {}

    def wake(self) -> None:
        """Begin to look; on the main thread, with a signal to interrupt it by."""
        with self._lock:
            if self.awake:
                return
            self.awake = True
            if not self._guarded:
                self._guarded = True
                for each in _GUARDED:
                    _guard(*each)
        if (
            _SIGNAL is not None
            and threading.current_thread() is threading.main_thread()
            and signal.getsignal(_SIGNAL) in (signal.SIG_DFL, signal.SIG_IGN)
        ):
            signal.signal(_SIGNAL, self._interrupted)
        threading.Thread(target=self._run, name="simulation-watchdog", daemon=True).start()

    def _run(self) -> None:
        seen: dict[int, _Look] = {}
        idle = 0
        # The look is a wait for something that never comes: a sleep could be one that somebody has replaced.
        never = threading.Event()
        while idle < IDLE_LOOKS:
            never.wait(LOOK_S)
            now = {ident: known() for ident, known in in_step.copy().items()}
            busy = {
                ident: runtime
                for ident, runtime in now.items()
                if runtime is not None and runtime.thread_id()
            }
            idle = 0 if busy else idle + 1
            seen = {ident: self._look(ident, runtime, seen.get(ident)) for ident, runtime in busy.items()}
        self.awake = False

    def _look(self, ident: int, runtime: "Stepping", last: _Look | None) -> _Look:
        step = runtime.steps
        if last is None or last.runtime is not runtime or last.step != step:
            return _Look(runtime, step, ident)
        what = last.verdict(ident)
        if what and not last.told:
            last.told = True
            self._interrupt(ident, last, what)
        return last

    def _interrupt(self, ident: int, look: _Look, what: str) -> None:
        where, _ = place(sys._current_frames().get(ident))
        get_logger().error("simulation.blocked", step=look.step, what=what, where=where)
        main = ident == threading.main_thread().ident
        if main and _SIGNAL is not None and signal.getsignal(_SIGNAL) == self._interrupted:
            self._found[ident] = (look, what)
            signal.pthread_kill(ident, _SIGNAL)
            return
        error = look.runtime.blocking(what, frame=sys._current_frames().get(ident))

        def again(made: Any) -> None:
            BlockingInHandler.__init__(made, error.actor, error.what, error.where)

        # The interpreter makes the exception itself, without arguments: so it is given a class that knows them.
        kind = type("BlockingInHandler", (BlockingInHandler,), {"__init__": again})
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(kind))

    def _interrupted(self, _number: int, frame: FrameType | None) -> None:
        """Raise in the step that was found to block, if it is still the one that runs."""
        look, what = self._found.pop(threading.get_ident(), (None, ""))
        if look is not None and here() is look.runtime and look.runtime.steps == look.step:
            raise look.runtime.blocking(what, frame=frame)


watchdog: Final = Watchdog()

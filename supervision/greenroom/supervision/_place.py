"""A place in the tree: what is lasting about an actor. Its name, mailbox, ref and monitors outlive incarnations.

| state    | means                                                                              |
|----------|------------------------------------------------------------------------------------|
| down     | there is no incarnation, and the parent knows: never started, ignored, stopped, or in back-off |
| new      | the next incarnation is to start                                                   |
| starting | its constructor or ``on_start`` runs, or it has not acknowledged yet                |
| running  | it handles messages                                                                |
| stopping | it handles signals only; its children end, then ``on_stop`` runs                    |
| ended    | all of it is over, and the parent is being told                                    |

Laws:
    - a place is ``terminated`` once, after its last incarnation is over: its ref is dead from then on;
    - each watch is told once: when its incarnation is over, or when the place is terminated;
    - its registered names are free before anybody can see that it is terminated.
"""

from collections.abc import Callable
from typing import Any, Final

from greenroom.supervision._flight import FLOODS, Record
from greenroom.supervision._incarnation import Incarnation, Retry, Watch
from greenroom.supervision._leftover import bury_retry, sweep
from greenroom.supervision._mailbox import Mailbox, is_stop
from greenroom.supervision._restart import Cause, Shutdown
from greenroom.supervision._threads import current
from greenroom.supervision.errors import ActorEnding, ChildRunning
from greenroom.supervision.runtime import Dispatcher
from greenroom.supervision.signals import ChildSignal, ChildStarted
from greenroom.supervision.snapshot import FlightKind
from greenroom.supervision.spec import MailboxSpec

NEW: Final = 0
STARTING: Final = 1
RUNNING: Final = 2
STOPPING: Final = 3
ENDED: Final = 4
DOWN: Final = 5  # last, so that `>= STOPPING` means: not to be ended any more
STATE_NAMES: Final = ("new", "starting", "running", "stopping", "ended", "down")


_RESTARTING: Final = FlightKind.RESTARTING
POOLED: Final = (Dispatcher.POOL, Dispatcher.CALLER)
"""What shares threads with handlers that do not block."""
_NO_KEYWORDS: Final[dict[str, Any]] = {}
"""Of all that have none."""
NOBODY: Final = Incarnation(0)
"""Before the first."""


class Place(Mailbox):
    """One actor's place in the tree."""

    __slots__ = (
        "actor_class",
        "args",
        "children",
        "dead_letters",
        "dispatcher",
        "incarnation",
        "kwargs",
        "life",
        "name",
        "names",
        "parent",
        "record",
        "ref_type",
        "register",
        "resting",
        "retry",
        "shutdown_ns",
        "start_ns",
        "state",
        "together",
        "watches",
    )

    def __init__(
        self,
        system: Any,
        parent: "Place | None",
        name: str,
        actor_class: type[Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        dispatcher: Dispatcher,
        mailbox: MailboxSpec,
        shutdown_ns: int | None,
        start_ns: int | None,
        register: str | None,
    ) -> None:
        super().__init__(system, mailbox)
        self.parent = parent
        self.name = name
        self.actor_class = actor_class
        self.args = args
        self.kwargs = kwargs or _NO_KEYWORDS
        self.dispatcher = dispatcher
        self.shutdown_ns = shutdown_ns
        self.start_ns = start_ns
        self.register = register
        self.names: dict[str, None] | None = None
        self.retry: Retry | None = None
        self.executor = system.runtime.executor(dispatcher, name)
        self.state = DOWN
        self.incarnation = 0
        self.life = NOBODY
        self.ref_type: Callable[[Place], Any]
        self.children: dict[Any, None] | None = None
        self.watches: dict[int, Watch] | None = None
        self.together = False
        self.resting = False
        """Whether its parent has said that it stays down until somebody asks for its start."""
        self.dead_letters = 0
        self.record: Record | None = None

    @property
    def ref(self) -> Any:
        """A new reference to it. It keeps none: an object less of each actor, and no circle that a collector must find."""
        return self.ref_type(self)

    @property
    def path(self) -> str:
        """Its name and those above it: ``session/rooms/room:lobby``. However deep it is."""
        place, names = self.parent, [self.name]
        while place is not None:
            names.append(place.name)
            place = place.parent
        return "/".join(reversed(names))

    @property
    def may_block(self) -> bool:
        """Whether its handlers may block their thread."""
        return self.dispatcher not in POOLED and not self.system.runtime.simulated

    def is_undisturbed(self) -> bool:
        """Whether this thread can do several steps of the machine: on the main one Ctrl-C could come in between."""
        here = current.cell
        machine = here is not None and here.dispatcher is not Dispatcher.CALLER and not current.held
        return machine or bool(self.system.runtime.simulated)

    @property
    def actor(self) -> Any:
        """The present incarnation's object, if there is one."""
        return self.life.actor

    def has(self, incarnation: int) -> bool:
        """Whether that is the present incarnation, of whose end the parent has not heard."""
        return incarnation == self.incarnation and self.state != DOWN

    def is_starting(self, life: Incarnation) -> bool:
        """Whether ``life`` has not acknowledged its start yet."""
        return life is self.life and self.state == STARTING

    def begin(self, life: Incarnation, detail: None, epoch: int) -> None:
        """Start ``life``; `Cell` knows how."""
        raise NotImplementedError

    def hear_child(self, life: Any, signal: ChildSignal, epoch: int) -> None:
        """Hear how a child fares; `Ending` knows what follows."""
        raise NotImplementedError

    def give_free(self) -> bool:
        """Let go of the mailbox; true if something has come in meanwhile, and it is held again. Under the lock."""
        # A parent keeps its empty lane: its children will soon have something to say.
        if (
            not self.children and not self.control
        ):  # nothing is called until the next line: a finalizer might put
            self.control = None
        self.idle.release()
        return bool(self.control or (self.state == RUNNING and self.user)) and self.idle.acquire(False)

    def start(self) -> None:
        """Start the next incarnation. It is queued behind whatever the last one left to do.

        Raises:
            ChildRunning: there is one.
        """
        if self.user and self.incarnation and self.state == DOWN:
            sweep(self)
        with self.lock:
            if self.terminated:
                return
            if self.state != DOWN:
                raise ChildRunning(self.name)
            life = self.renew()
            self.state = NEW
            self.control_lane().append((type(self).begin, life, None))
        self.wake()

    def renew(self) -> Incarnation:
        """Have the next incarnation, of which nothing runs yet; under the lock."""
        self.resting = False
        self.incarnation += 1
        if self.incarnation > 1:
            self.note(_RESTARTING)
        self.life = life = Incarnation(self.incarnation)
        return life

    def note(self, kind: FlightKind, detail: str = "", incarnation: int | None = None) -> None:
        """Have the flight recorder note that something has happened, to the present incarnation by default."""
        system = self.system
        size = system.recorder
        if size:
            number = self.incarnation if incarnation is None else incarnation
            record = self.record
            if record is None:
                record = self.kept_record()
            entries = record.entries
            count = 1 + record.taken_out(number, kind, detail) if kind in FLOODS else 1
            entries.append((system.runtime.now_ns(), number, kind, detail, count))
            if len(entries) > size:
                del entries[0]

    def note_failure(self, error: str, incarnation: int) -> None:
        """Note an end that nobody wanted, by the name of a type."""
        self.kept_record().failure = (error, incarnation, self.system.runtime.now_ns())

    def kept_record(self) -> Record:
        """Return the record of this place, made when first needed."""
        if self.record is None:
            fresh, life = Record(), self.life
            if life.started_ns is not None and self.system.recorder:
                fresh.entries.append((life.started_ns, life.number, FlightKind.STARTED, "", 1))
            if self.record is None:  # nothing is called between these two lines, so no other thread gets in
                self.record = fresh
        return self.record

    def tell_parent(self, signal: ChildSignal) -> None:
        """Say how it fares. Who has no parent any more ends for good by itself."""
        if self.parent is None:
            self.system.root_signal(self, signal)
        elif not self.parent.put_control((type(self.parent).hear_child, None, signal)) and not isinstance(
            signal, ChildStarted
        ):
            self.terminate()

    def rest(self) -> None:
        """Hear from the parent that this stays down until somebody asks for its start. Who asked it to stop has that."""
        self.resting = True
        self.answer_waiting_stops()

    def answer_waiting_stops(self) -> None:
        """Answer requests to stop that wait while nothing is going to be started, and so nothing to be stopped."""
        with self.lock:
            lane = self.user
            if not lane or not self.resting or self.state != DOWN or self.terminated:
                return
            waiting = [lane.popleft() for _ in range(len(lane))]
            lane.extendleft(item for item in reversed(waiting) if not is_stop(item))
            if self.waiting:
                self.release_waiting(everybody=True)
        for item in waiting:
            if is_stop(item):
                self.dead_letter(item, "")

    def adopt(self, child: "Place") -> None:
        """Take ``child`` in and start it.

        Raises:
            ActorEnding: this actor is ending, and could not see its child through.
            ActorFenced: the calling thread has been given up.
        """
        try:
            with self.lock:
                if self.zombies:
                    self.refuse_zombies()
                if self.state not in (STARTING, RUNNING):
                    raise ActorEnding(self.path)  # noqa: TRY301 - the state is only certain under the lock
                if self.children is None:
                    self.children = {}
                self.children[child] = None
        except BaseException:
            child.terminate()
            raise
        child.start()

    def forget(self, child: "Place") -> None:
        """Let go of a child that is down: its ref is dead from now on.

        Raises:
            ChildRunning: it is not down.
        """
        if child.state != DOWN:
            raise ChildRunning(child.name)
        if self.children is not None:
            self.children.pop(child, None)
        child.terminate()

    def watch(self, key: int, callback: Callable[[int, Cause], object], incarnation: int | None) -> None:
        """Call ``callback(incarnation, cause)`` once: when the place is terminated, or that incarnation is over."""
        with self.lock:
            if not self._is_over(incarnation):
                if self.watches is None:
                    self.watches = {}
                self.watches[key] = Watch(callback, incarnation)
                return
            which = self.incarnation if incarnation is None else incarnation
            cause = self.life.cause if which == self.incarnation else None
        Watch(callback, incarnation).tell(which, cause or Shutdown("it was over before it was watched"))

    def _is_over(self, incarnation: int | None) -> bool:
        if self.terminated:
            return True
        if incarnation is None or incarnation > self.incarnation:
            return False
        return incarnation < self.incarnation or self.state in (DOWN, ENDED)

    def unwatch(self, key: int) -> None:
        """Forget a watch; harmless if it has been told."""
        with self.lock:
            if self.watches is not None:
                self.watches.pop(key, None)

    def watches_of(self, incarnation: int) -> list[Watch]:
        """Take out who watches one incarnation; under the lock."""
        if not self.watches:
            return []
        keys = [key for key, watch in self.watches.items() if watch.incarnation == incarnation]
        return [self.watches.pop(key) for key in keys]

    def terminate(self) -> None:
        """End for good: answer what still waits, tell who still watches, give the thread back."""
        with self.lock:
            if self.terminated:
                return
            if self.names:
                self.system.names.forget(self)
            self.terminated = True
            self.state = DOWN
            watches, self.watches = self.watches, None
            life = self.life
            again, self.retry = self.retry, None
            if self.waiting:
                self.release_waiting(everybody=True)
        if again is not None:
            bury_retry(self, again)
        self.bury()
        self.system.remember(self)
        for watch in (watches or {}).values():
            watch.tell(self.incarnation, life.cause or Shutdown())
        answer_stops(life)
        self.executor.close()


def answer_stops(life: Incarnation) -> None:
    """Tell those who asked this incarnation to stop that it has."""
    stops, life.stops = life.stops, None
    for reply in stops or ():
        reply.try_set(None)

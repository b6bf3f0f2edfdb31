"""What a supervisor decides: events in, decisions out. No threads, clock, dice or Pykka.

Laws:
    - a child that ended is started again if its restart type says so and the intensity admits it; each attempt
      counts, failed ones included; past the intensity the supervisor gives up; if a budget that the subtree shares
      has none left it is not started, and that budget's owner gives up;
    - a child is started by a decision that is carried out once; a failed restart is tried again by another
      event, never in a loop, so the supervisor answers meanwhile;
    - one_for_all and rest_for_one replace several children in one attempt (`Group`). One that ends during it
      counts only if it was not about to be stopped anyway; it then begins another attempt;
    - an admin stop ends a child, or the wait for its restart, and never counts as a restart;
    - the spec of a temporary child goes when it ends, is stopped, or is down while its group is replaced; under a
      dynamic supervisor every child that stays down goes; elsewhere it stays, stopped, until it is deleted;
    - a start that fails leaves what was there before it: nothing of a first one, a stopped child else;
    - only a significant child that ends by itself and stays down shuts its supervisor down;
    - the limit on children counts all that are kept, those being restarted included.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator

from greenroom.supervision._child import PARKED, TIMED, UNDER_WAY, Child
from greenroom.supervision._decisions import (
    RESTARTING,
    RUNNING,
    STARTING,
    STOPPED,
    STOPPING,
    CancelStart,
    Decision,
    Decisions,
    Forget,
    GiveUp,
    OverBudget,
    Start,
    StartAfter,
    Stop,
)
from greenroom.supervision._group import Group, Phase, the_rest
from greenroom.supervision._intensity import Intensity
from greenroom.supervision._restart import Cause, should_restart
from greenroom.supervision._sharing import Refusal, SharedBudget, spend
from greenroom.supervision._significant import Significant
from greenroom.supervision._template import Template
from greenroom.supervision._updates import checked_update
from greenroom.supervision.errors import (
    AlreadyPresent,
    AlreadyStarted,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    MaxChildren,
    NotForDynamic,
)
from greenroom.supervision.snapshot import RestartBudget
from greenroom.supervision.spec import (
    ChildSpec,
    Strategy,
    SubtreeBudget,
    SupervisorFlags,
    check_significance,
)


class Family:
    """All children of one supervisor, in start order.

    Args:
        name: the supervisor's path.
        flags: what it does.
        spend: counts a restart in all budgets that hold for it, its own included, or says why not.
        template: of simple_one_for_one, the spec of which all children are instances.
    """

    def __init__(
        self,
        name: str,
        flags: SupervisorFlags,
        spend: Callable[[int], Refusal | None] | None = None,
        template: ChildSpec | None = None,
    ) -> None:
        assert flags.strategy.is_template is (template is not None), flags.strategy
        self.flags = flags
        self.template = None if template is None else Template(template)
        self.shared = None if flags.subtree is None else SharedBudget(name, flags.subtree)
        """The budget that it declares for its subtree."""
        self._spend = self._spend_own if spend is None else spend
        self._name = name
        self._children: dict[str, Child] = {}
        self._intensity = Intensity(flags.intensity, flags.period_ns)
        self._group: Group | None = None
        self._strategy = flags.strategy
        self.significant = Significant()

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[Child]:
        return iter(self._children.values())

    def __reversed__(self) -> Iterator[Child]:
        return reversed(self._children.values())

    def get(self, child_id: str) -> Child:
        """Return a child that is known.

        Raises:
            ChildNotFound: it is not.
        """
        child = self._children.get(child_id)
        if child is None:
            raise ChildNotFound(child_id, known=tuple(self._children))
        return child

    @property
    def is_settled(self) -> bool:
        """Whether no group of children is being replaced."""
        return self._group is None

    def restarts_in_window(self, now_ns: int) -> int:
        """Return how many restarts the intensity counts now."""
        return self._intensity.in_window(now_ns)

    def budgets(self, now_ns: int) -> tuple[RestartBudget, ...]:
        """Return what a child's restart counts against, the nearest first; any thread may ask."""
        restarts, limit, period_ns = self._intensity.view(now_ns)
        left = max(0, limit - restarts)
        return (
            RestartBudget(
                owner=self._name, restarts=restarts, intensity=limit, period_ns=period_ns, left=left
            ),
        )

    def known(self, child_id: str) -> Child | None:
        """Return a child, or None; any thread may ask."""
        return self._children.get(child_id)

    def listed(self) -> tuple[Child, ...]:
        """Return the children, in start order; any thread may ask."""
        return tuple(self._children.copy().values())

    def booted(self) -> Decisions:
        """Hear that all of the supervisor's own list have started."""
        return self.significant.booted(self.flags.auto_shutdown, self)

    # -- what people ask ------------------------------------------------------------------------------------

    def add(self, spec: ChildSpec) -> Decisions:
        """Add a child and start it.

        Raises:
            AlreadyStarted, AlreadyPresent: there is one of that id.
            MaxChildren: there is no room for it.
            BadSpec: it is significant, and this supervisor never shuts down by itself.
        """
        check_significance(self.flags, spec)
        there = self._children.get(spec.id)
        if there is not None:
            alive = there.status not in (STOPPED, RESTARTING)
            raise (AlreadyStarted if alive else AlreadyPresent)(spec.id)
        if len(self._children) >= self.flags.max_children:
            raise MaxChildren(self._name, self.flags.max_children)
        self._children[spec.id] = Child(spec, STARTING)
        return (Start(spec.id),)

    def stop(self, child_id: str) -> Decisions:
        """Stop a child, or the attempts to restart it; nothing to do if it is stopped.

        Raises:
            ChildNotFound: there is no such child.
        """
        child = self.get(child_id)
        if child.status is STOPPED:
            return self._down(child)
        group = self._group
        if child.is_timed:
            if group is not None and child is group.origin:
                self._group = None
            return (CancelStart(child_id), *self._down(child))
        if group is not None and group.phase is Phase.STARTING and child.is_under_way:
            group.abandon()
            self._group = None
        elif group is not None and group.phase is not Phase.WAITING:
            group.leave(child)
        if child.status is STOPPING:
            return ()
        if child.status is RESTARTING and not child.is_under_way:
            return self._down(child)
        child.status = STOPPING
        return (Stop(child_id),)

    def restart(self, child_id: str) -> Decisions:
        """Start a stopped child again.

        Raises:
            ChildNotFound, ChildRunning, ChildRestarting: it is not stopped.
            NotForDynamic: this is a dynamic supervisor, which keeps no stopped children.
        """
        child = self._stopped(child_id, "restart")
        child.status = STARTING
        return (Start(child_id),)

    def delete(self, child_id: str) -> Decisions:
        """Forget a stopped child and its spec.

        Raises:
            ChildNotFound, ChildRunning, ChildRestarting: it is not stopped.
            NotForDynamic: this is a dynamic supervisor, which keeps no stopped children.
        """
        return self._forget(self._stopped(child_id, "delete"))

    def update(self, flags: SupervisorFlags | None, specs: Iterable[ChildSpec] | None) -> None:
        """Go on with other flags and specs; None leaves them as they are.

        Whoever runs keeps running. New children are known, and not started; those that are left out stay, behind
        the others.

        Raises:
            BadSpec: and then nothing has changed.
        """
        flags = self.flags if flags is None else flags
        checked = checked_update(self.flags, flags, specs, self._children)
        self.flags = flags
        self._intensity.change(flags.intensity, flags.period_ns)
        self._share(flags.subtree)
        if self.template is not None:
            for spec in checked.values():
                self.template.change(self, spec)
        elif flags.strategy.is_dynamic:
            for name, spec in checked.items():
                self._children[name].respec(spec)
        else:
            self._reorder(checked)

    def started(self, child_id: str, now_ns: int) -> Decisions:
        """Hear that a child has acknowledged its start."""
        child = self._children[child_id]
        child.fresh = False
        if child.status is not STOPPING:
            child.status = RUNNING
        if child.backoff is not None:
            child.backoff.started(now_ns)
        return self._advance()

    def ignored(self, child_id: str) -> Decisions:
        """Hear that a child decided not to run."""
        child = self._children[child_id]
        was_known, child.fresh = not child.fresh, False
        return (*self._did_not_start(child, was_known=was_known), *self._advance())

    def failed(self, child_id: str, now_ns: int, dice: float) -> Decisions:
        """Hear that a start failed: nothing is kept of a first one, a restart is tried again."""
        child = self._children[child_id]
        if child.fresh:
            return (*self._forget(child), *self._advance())
        if child.status is RESTARTING:
            return self._again(child, now_ns, dice)
        return (*self._did_not_start(child, was_known=True), *self._advance())

    def ended(self, child_id: str, cause: Cause, now_ns: int, dice: float) -> Decisions:
        """Hear that a child that had started is over."""
        child = self._children[child_id]
        if child.backoff is not None:
            child.backoff.ended(now_ns)
        group = self._group
        if group is not None and group.is_stopping(child):
            if not child.is_temporary:
                child.status, child.attempt = RESTARTING, PARKED
                return self._advance()
            return (*self._down(child), *self._advance())
        if child.status is STOPPING:
            return (*self._down(child), *self._advance())
        if should_restart(child.spec.restart, cause):
            return self._again(child, now_ns, dice)
        return (*self._down(child), *self.significant.ended(child, self.flags.auto_shutdown, self))

    def due(self, child_id: str) -> Decisions:
        """Hear that a child's back-off is over."""
        child = self._children.get(child_id)
        if child is None or not child.is_timed:
            return ()
        group = self._group
        if group is not None and child is group.origin:
            gone = self._forget_temporary(tuple(group), child)
            return (*gone, *group.due(), *self._advance())
        child.attempt = UNDER_WAY
        return (Start(child_id),)

    # -- restarts --------------------------------------------------------------------------------------------

    def _again(self, child: Child, now_ns: int, dice: float) -> Decisions:
        if not self._intensity.admit(now_ns):
            child.status = STOPPED
            self._group = None
            return (GiveUp(child.id),)
        refusal = self._spend(now_ns)
        if refusal is not None:
            child.status = STOPPED
            self._group = None
            return (OverBudget(child.id, refusal.budget.owner, refusal.first),)
        child.restarts += 1
        delay_ns = 0 if child.backoff is None else child.backoff.next(dice)
        if self._group is None:
            self._strategy = self.flags.strategy  # what an update has changed holds from the next attempt on
        if self._strategy in (Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE):
            return self._again_together(child, delay_ns)
        if delay_ns:
            child.restarting(TIMED)
            return (StartAfter(child.id, delay_ns),)
        child.restarting(UNDER_WAY)
        return (Start(child.id),)

    def _spend_own(self, now_ns: int) -> Refusal | None:
        return spend(() if self.shared is None else (self.shared,), now_ns)

    def _share(self, spec: SubtreeBudget | None) -> None:
        if spec is None:
            self.shared = None
        elif self.shared is None:
            self.shared = SharedBudget(self._name, spec)
        else:
            self.shared.change(spec)

    def _again_together(self, child: Child, delay_ns: int) -> Decisions:
        child.restarting(PARKED)
        everybody = self._strategy is Strategy.ONE_FOR_ALL
        members = list(self) if everybody else the_rest(self, child, self._group)
        cancelled: list[Decision] = [CancelStart(member.id) for member in members if member.is_timed]
        gone = self._forget_temporary(members, child)
        self._group = Group(child, [member for member in members if member.id in self._children], delay_ns)
        return (*cancelled, *gone, *self._advance())

    def _forget_temporary(self, members: Iterable[Child], origin: Child) -> Decisions:
        """Forget those that are temporary and down: an update has made them so, or known."""
        gone = [each for each in members if each.is_temporary and each.is_down and each is not origin]
        return tuple(itertools.chain.from_iterable(map(self._forget, gone)))

    def _advance(self) -> Decisions:
        group = self._group
        if group is None:
            return ()
        decisions = group.advance()
        if group.phase is Phase.DONE:
            self._group = None
        return decisions

    # -- ends ------------------------------------------------------------------------------------------------

    def _did_not_start(self, child: Child, *, was_known: bool) -> Decisions:
        """Take note that a child is not up that was being started, or stopped meanwhile."""
        group = self._group
        if group is not None and group.is_stopping(child):
            if child.is_temporary:
                return self._down(child)
            child.restarting(PARKED)
            return ()
        if was_known and child.status is STARTING:  # by an admin call, which leaves what it found
            child.status = STOPPED
            return ()
        return self._down(child)

    def _down(self, child: Child) -> Decisions:
        child.status = STOPPED
        if child.is_temporary or self.flags.strategy.is_dynamic:
            return self._forget(child)
        return ()

    def _forget(self, child: Child) -> Decisions:
        child.status = STOPPED
        del self._children[child.id]
        if self._group is not None:
            self._group.leave(child)
        return (Forget(child.id),)

    def _stopped(self, child_id: str, what: str) -> Child:
        if self.flags.strategy.is_dynamic:
            raise NotForDynamic(self._name, what)
        child = self.get(child_id)
        if child.status is RESTARTING:
            raise ChildRestarting(child_id)
        if child.status is not STOPPED:
            raise ChildRunning(child_id)
        return child

    def _reorder(self, specs: dict[str, ChildSpec]) -> None:
        before = self._children
        after: dict[str, Child] = {}
        for name, spec in specs.items():
            child = after[name] = before.get(name) or Child(spec, STOPPED)
            child.respec(spec)
        self._children = after | {name: child for name, child in before.items() if name not in after}

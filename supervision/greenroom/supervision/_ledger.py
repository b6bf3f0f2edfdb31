"""Who holds a resource: the lease ledger, a pure rule. Events in, decisions out.

A holder is anything hashable, with the number of its incarnation. Incarnations of one holder count up, and the next
one starts only after the last one is over.

| event                          | condition                             | decisions, in this order                   |
|--------------------------------|---------------------------------------|--------------------------------------------|
| `grant(holder, n)`             | closed, or n is known to have ended   | none: `LeaseRefused`, nothing changes      |
|                                | it is the first lease of (holder, n)  | `Monitor(holder, n)`                       |
|                                | (holder, n) has leases                | none                                       |
| `release(id)`                  | not live                              | none: idempotent                           |
|                                | live                                  | `LeaseEnded(id, RELEASED)`                 |
|                                | ... and the last one of (holder, n)   | then `Demonitor(holder, n)`                |
|                                | ... and the last one of all           | then `LastLeaseEnded`                      |
| `holder_ended(holder, n)`      | has no leases                         | none; n is known to have ended             |
|                                | has leases                            | `LeaseEnded(id, HOLDER_ENDED)` for each,   |
|                                |                                       | oldest first; its monitor is used up       |
|                                | ... and there are no others           | then `LastLeaseEnded`                      |
| `transfer(id, holder, n)`      | id not live, or n known to have ended | none: `LeaseRefused`, nothing changes      |
|                                | it has the lease already              | none                                       |
|                                | live                                  | as for a grant, then `Demonitor` of the    |
|                                |                                       | giver if it was that one's last            |

Laws:

1. A lease ends once. Its id is never used again.
2. The live leases of a holder's incarnation end with it; those of a later incarnation do not.
3. (holder, n) is monitored if and only if it has a live lease: one `Monitor`, and then either one `Demonitor` or the
   end of (holder, n).
4. `LastLeaseEnded` comes at most once, last of all; after it the ledger is closed.
5. A transferred lease keeps its id and its age; it is live throughout, so a transfer never closes the ledger.

Every operation is O(1), `holder_ended` per lease that it ends. What ended is remembered for `REMEMBERED_ENDS` holders,
so memory does not grow with the holders that ever were. One forgotten is granted a lease again and monitored, and
its monitor then fires at once: the laws hold, only later.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NewType, TypeAlias

from greenroom.supervision.errors import LeaseRefused

LeaseId = NewType("LeaseId", int)
"""1, 2, 3 ... in the order of the grants."""

REMEMBERED_ENDS: Final = 1024
"""Holders of which the ledger remembers that they have ended."""


class LeaseEnd(StrEnum):
    """Why a lease ended."""

    RELEASED = "released"
    HOLDER_ENDED = "holder_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A live lease.

    Attributes:
        lease_id: its id.
        holder: who has it now.
        incarnation: which incarnation of it.
        granted_ns: when it was granted; a transfer does not change it.
    """

    lease_id: LeaseId
    holder: Hashable
    incarnation: int
    granted_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """Watch this incarnation, and say `Ledger.holder_ended` once it has ended, or at once if it already has."""

    holder: Hashable
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonitor:
    """Stop watching this incarnation: it has no lease left."""

    holder: Hashable
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseEnded:
    """A holder gave its lease back, or ended while it had it."""

    lease_id: LeaseId
    cause: LeaseEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class LastLeaseEnded:
    """Nobody holds the resource any more: close it. The ledger grants nothing from here on."""


Decision: TypeAlias = Monitor | Demonitor | LeaseEnded | LastLeaseEnded
Decisions: TypeAlias = tuple[Decision, ...]
_Key: TypeAlias = tuple[Hashable, int]


class Ledger:
    """The leases on one resource. Owned by the resource's actor; not locked.

    Args:
        remembered_ends: how many ended holders are remembered, 1 or more.
    """

    __slots__ = ("_closed", "_ended", "_held", "_last_id", "_leases", "_remembered_ends")

    def __init__(self, *, remembered_ends: int = REMEMBERED_ENDS) -> None:
        assert remembered_ends >= 1, remembered_ends
        # Ordered dicts are linked lists: their last item is found in O(1) however many were removed, a dict's is not.
        self._leases: dict[LeaseId, Lease] = {}
        self._held: dict[_Key, dict[LeaseId, None]] = {}
        self._ended: OrderedDict[Hashable, int] = OrderedDict()
        self._remembered_ends = remembered_ends
        self._last_id = 0
        self._closed = False

    def __len__(self) -> int:
        return len(self._leases)

    @property
    def closed(self) -> bool:
        """Whether the last lease has ended. A ledger that never granted one is open."""
        return self._closed

    def find(self, lease_id: LeaseId) -> Lease | None:
        """Return a live lease, or None for one that has ended or never was."""
        return self._leases.get(lease_id)

    def leases(self) -> tuple[Lease, ...]:
        """Return the live leases, oldest first. For snapshots: O(n)."""
        return tuple(self._leases.values())

    def knows_ended(self, holder: Hashable, incarnation: int) -> bool:
        """Whether this incarnation is known to have ended, itself or because a later one has."""
        return incarnation <= self._ended.get(holder, incarnation - 1)

    def grant(self, holder: Hashable, incarnation: int, now_ns: int) -> tuple[LeaseId, Decisions]:
        """Grant a lease.

        Raises:
            LeaseRefused: the ledger is closed, or this incarnation is known to have ended.
        """
        if self._closed:
            raise LeaseRefused(
                holder, incarnation, "the last lease has ended and the resource is being closed"
            )
        self._refuse_ended(holder, incarnation)
        self._last_id += 1
        lease_id = LeaseId(self._last_id)
        lease = Lease(lease_id=lease_id, holder=holder, incarnation=incarnation, granted_ns=now_ns)
        return lease_id, self._enter(lease)

    def release(self, lease_id: LeaseId) -> Decisions:
        """End a lease, if it is live."""
        lease = self._leases.pop(lease_id, None)
        if lease is None:
            return ()
        ended = LeaseEnded(lease_id=lease_id, cause=LeaseEnd.RELEASED)
        return (ended, *self._leave(lease), *self._close_if_last())

    def holder_ended(self, holder: Hashable, incarnation: int) -> Decisions:
        """End the leases of exactly this incarnation, which has ended."""
        self._remember(holder, incarnation)
        lease_ids = self._held.pop((holder, incarnation), None)
        if lease_ids is None:
            return ()
        for lease_id in lease_ids:
            del self._leases[lease_id]
        # By id, since leases that came by transfer may be older than those that were here before.
        ended = (LeaseEnded(lease_id=each, cause=LeaseEnd.HOLDER_ENDED) for each in sorted(lease_ids))
        return (*ended, *self._close_if_last())

    def transfer(self, lease_id: LeaseId, to_holder: Hashable, to_incarnation: int) -> Decisions:
        """Give a live lease to another holder, or to another incarnation.

        Raises:
            LeaseRefused: the lease is not live, or the receiver is known to have ended. The giver keeps what it had.
        """
        lease = self._leases.get(lease_id)
        if lease is None:
            raise LeaseRefused(to_holder, to_incarnation, f"lease {lease_id} has ended")
        if (lease.holder, lease.incarnation) == (to_holder, to_incarnation):
            return ()
        self._refuse_ended(to_holder, to_incarnation)
        moved = Lease(
            lease_id=lease_id, holder=to_holder, incarnation=to_incarnation, granted_ns=lease.granted_ns
        )
        return (*self._enter(moved), *self._leave(lease))

    def _refuse_ended(self, holder: Hashable, incarnation: int) -> None:
        if self.knows_ended(holder, incarnation):
            raise LeaseRefused(holder, incarnation, "this incarnation has ended")

    def _enter(self, lease: Lease) -> Decisions:
        self._leases[lease.lease_id] = lease
        key = (lease.holder, lease.incarnation)
        held = self._held.get(key)
        if held is not None:
            held[lease.lease_id] = None
            return ()
        self._held[key] = {lease.lease_id: None}
        return (Monitor(holder=lease.holder, incarnation=lease.incarnation),)

    def _leave(self, lease: Lease) -> Decisions:
        key = (lease.holder, lease.incarnation)
        held = self._held[key]
        del held[lease.lease_id]
        if held:
            return ()
        del self._held[key]
        return (Demonitor(holder=lease.holder, incarnation=lease.incarnation),)

    def _close_if_last(self) -> Decisions:
        if self._leases:
            return ()
        self._closed = True
        return (LastLeaseEnded(),)

    def _remember(self, holder: Hashable, incarnation: int) -> None:
        self._ended[holder] = max(incarnation, self._ended.pop(holder, incarnation))
        if len(self._ended) > self._remembered_ends:
            self._ended.popitem(last=False)

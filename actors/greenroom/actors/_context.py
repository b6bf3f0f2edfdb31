"""Which context a processor is told: a pure rule between what each lease wants and what was applied.

Every lease wants a `Context`; the newest live lease whose stream info is complete has the effective one. `plan` says
what to call to get from what was applied to what is wanted, and is empty when there is nothing to do.

Laws:

1. Stream info, then credentials, then frames: a plan has at most one call about stream info, and after it at most one
   about credentials.
2. Entering a room, another stream info, a higher publication number or a new worker: both are pushed, the
   credentials again even if they are the same, for they belong to that stream info.
3. Other credentials for the same stream info: the credentials alone.
4. No lease in a room any more: what was pushed is cleared, once, however many ways say so. If another lease is still in
   a room, its context is pushed instead of a clear.
5. Stream info without identity or sid is never pushed; nor are credentials without stream info, as before a
   room is entered a processor has nothing to use them for.
6. Nothing is pushed twice without a reason from 2 or 3: a lease with equal values takes over in silence.
7. A room without credentials takes them away: those of another room never stay with its stream info.

The plan is against what was *applied*, so whoever carries it out says `applied` for every call before it asks for the next
plan: when it is done, or when it was sent on a way that keeps order and ends in `worker_restarted` if the call fails.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from greenroom.actors.context import NO_CONTEXT, Context, Credentials, StreamInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class PushStreamInfo:
    """Tell the processor whose audio it hears.

    Attributes:
        info: complete.
        publication: the publication it was wanted for.
    """

    info: StreamInfo
    publication: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PushCredentials:
    """Tell the processor what it may use."""

    credentials: Credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearStreamInfo:
    """Tell the processor that it hears nobody in particular."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearCredentials:
    """Tell the processor that it has nothing to use any more."""


Call: TypeAlias = PushStreamInfo | PushCredentials | ClearStreamInfo | ClearCredentials
"""What the worker does to its processor; a closed union."""


class ContextRule:
    """The wanted contexts of one processor's leases, and what its worker was told. Not locked."""

    __slots__ = ("_applied", "_credentials_current", "_wanted")

    def __init__(self) -> None:
        self._wanted: OrderedDict[int, Context] = OrderedDict()
        self._applied = NO_CONTEXT
        # Whether credentials were pushed or cleared since the stream info was: equal ones are due again if not.
        self._credentials_current = True

    @property
    def effective(self) -> Context:
        """What the processor should be told; `NO_CONTEXT` if no lease is in a room.

        O(1) beyond the leases that are newer and in no room.
        """
        for lease_id in reversed(self._wanted):
            context = self._wanted[lease_id]
            if context.stream_info is not None and context.stream_info.complete:
                return context
        return NO_CONTEXT

    @property
    def told(self) -> Context:
        """What the present worker's processor was told last."""
        return self._applied

    def want(self, lease_id: int, context: Context) -> None:
        """Set what a lease wants. A lease is as old as its first want: say one, if only `NO_CONTEXT`, when it is granted."""
        self._wanted[lease_id] = context

    def drop(self, lease_id: int) -> None:
        """Forget a lease that has ended; harmless if it is not known."""
        self._wanted.pop(lease_id, None)

    def worker_restarted(self) -> None:
        """Note that there is a new processor, which was told nothing."""
        self._applied = NO_CONTEXT
        self._credentials_current = True

    def plan(self) -> tuple[Call, ...]:
        """Return the calls that are due, in order; the same ones until they are `applied` or something changes."""
        wanted = self.effective
        info_calls = self._info_calls(wanted)
        entering = any(isinstance(call, PushStreamInfo) for call in info_calls)
        return (
            *info_calls,
            *self._credentials_calls(wanted, again=entering or not self._credentials_current),
        )

    def applied(self, call: Call) -> None:
        """Record a call that was made."""
        told = self._applied
        match call:
            case PushStreamInfo(info=info, publication=publication):
                self._applied = Context(
                    stream_info=info, credentials=told.credentials, publication=publication
                )
                self._credentials_current = False
            case PushCredentials(credentials=credentials):
                self._applied = Context(
                    stream_info=told.stream_info, credentials=credentials, publication=told.publication
                )
                self._credentials_current = True
            case ClearStreamInfo():
                self._applied = Context(credentials=told.credentials)
            case ClearCredentials():
                self._applied = Context(stream_info=told.stream_info, publication=told.publication)
                self._credentials_current = True
            case _:
                assert_never(call)

    def _info_calls(self, wanted: Context) -> tuple[Call, ...]:
        info, told = wanted.stream_info, self._applied
        if info is None:
            return () if told.stream_info is None else (ClearStreamInfo(),)
        # A lower number is a lease that has not heard of the republication yet, and that was pushed already.
        if info == told.stream_info and wanted.publication <= told.publication:
            return ()
        return (PushStreamInfo(info=info, publication=wanted.publication),)

    def _credentials_calls(self, wanted: Context, *, again: bool) -> tuple[Call, ...]:
        told = self._applied.credentials
        if wanted.credentials is None:
            return () if told is None else (ClearCredentials(),)
        if wanted.credentials == told and not again:
            return ()
        return (PushCredentials(credentials=wanted.credentials),)


def shown(context: Context) -> str:
    """Return whose audio a processor hears as records show it: ``room/participant/sid``, or nothing."""
    info = context.stream_info
    return "" if info is None else f"{info.room_name}/{info.participant_identity}/{info.publication_sid}"

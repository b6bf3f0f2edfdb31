"""The actor that decides about its worker by `Recovery`, as snapshots see it."""

from greenroom.actors._recovery import Recovery
from greenroom.supervision import Actor, ChildFacts


class Recovering(Actor):
    """An actor that decides about its one worker by such a rule, and lets snapshots see it."""

    _recovery: Recovery

    def child_facts(self, child: str, now_ns: int) -> ChildFacts | None:  # noqa: ARG002 - there is one
        """Say what is planned for the worker, and how many restarts are left."""
        return self._recovery.facts(self.path, now_ns)

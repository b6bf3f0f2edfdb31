"""Mistakes in the pure rules of ``supervision/``: how many restarts are too many, how long to wait, and who has a lease."""

from typing import Final

from tests.mutants.planting import Mutant, mutant

BUDGETS: Final[tuple[Mutant, ...]] = (
    mutant(
        "window-forgets-too-soon",
        "after an update the window keeps fewer times than the higher limit had",
        "supervision._intensity",
        "maxlen=max(limit + 1, self._times_ns.maxlen or 0)",
        "maxlen=limit + 1",
    ),
    mutant(
        "window-open",
        "a restart exactly a period old does not count",
        "supervision._intensity",
        "while times and times[0] < oldest_ns:",
        "while times and times[0] <= oldest_ns:",
    ),
    mutant(
        "window-short",
        "the window keeps only as many times as are allowed",
        "supervision._intensity",
        "deque(maxlen=limit + 1)",
        "deque(maxlen=max(1, limit))",
    ),
    mutant(
        "refused-do-not-count",
        "a refused restart is not counted",
        "supervision._intensity",
        "        times.append(now_ns)\n        return len(times) <= self._limit",
        "        if len(times) >= self._limit:\n            return False\n"
        "        times.append(now_ns)\n        return True",
    ),
    mutant(
        "period-stays",
        "an update of the period is ignored",
        "supervision._intensity",
        "        self._limit = limit\n        self._period_ns = period_ns\n        # A limit",
        "        self._limit = limit\n        # A limit",
    ),
    mutant(
        "limit-stays",
        "an update of the limit is ignored",
        "supervision._intensity",
        "        self._limit = limit\n        self._period_ns = period_ns\n        # A limit",
        "        self._period_ns = period_ns\n        # A limit",
    ),
    mutant(
        "update-forgives",
        "an update forgets the restarts so far",
        "supervision._intensity",
        "self._times_ns = deque(self._times_ns, maxlen=max(",
        "self._times_ns = deque((), maxlen=max(",
    ),
    mutant(
        "asking-short",
        "what is asked does not count one at the edge",
        "supervision._intensity",
        "if at_ns >= oldest_ns)",
        "if at_ns > oldest_ns)",
    ),
    mutant(
        "healthy-open",
        "exactly the healthy time is not enough",
        "supervision._backoff",
        "if now_ns - self._started_ns >= self._spec.healthy_ns:",
        "if now_ns - self._started_ns > self._spec.healthy_ns:",
    ),
    mutant(
        "health-twice",
        "one run counts as healthy twice",
        "supervision._backoff",
        "            self._failures = 0\n        self._started_ns = None",
        "            self._failures = 0",
    ),
    mutant(
        "cap-before-jitter",
        "the cap is not held after the jitter",
        "supervision._backoff",
        "return min(spec.max_ns, round(wait_ns * (1 + spec.jitter * (2 * dice - 1))))",
        "return round(wait_ns * (1 + spec.jitter * (2 * dice - 1)))",
    ),
    mutant(
        "jitter-up-only",
        "the jitter only lengthens",
        "supervision._backoff",
        "(2 * dice - 1)",
        "dice",
    ),
    mutant(
        "first-not-immediate",
        "the first restart waits though it is to come at once",
        "supervision._backoff",
        "        if exponent < 0:\n            return 0",
        "        if exponent < 0:\n            exponent = 0",
    ),
    mutant(
        "cap-early",
        "the cap is taken at half of it",
        "supervision._backoff",
        "if growth > 2 * spec.max_ns / spec.initial_ns:",
        "if growth > spec.max_ns / spec.initial_ns / 2:",
    ),
    mutant(
        "backoff-change-drops",
        "another spec of a back-off is not taken",
        "supervision._backoff",
        '            BadSpec: it is none; nothing has changed.\n        """\n'
        '        self._spec = _checks.instance("spec", spec, Backoff)',
        '            BadSpec: it is none; nothing has changed.\n        """',
    ),
    mutant(
        "innermost",
        "of nested budgets the innermost decides",
        "supervision._sharing",
        "outermost = refusing[-1]",
        "outermost = refusing[0]",
    ),
    mutant(
        "took-though-refused",
        "a refused restart counts in the budgets that had room",
        "supervision._sharing",
        "    outermost = refusing[-1]",
        "    for budget in budgets:\n        budget.take(now_ns)\n    outermost = refusing[-1]",
    ),
    mutant(
        "not-exceeded",
        "a budget that was exceeded allows again",
        "supervision._sharing",
        "return not self.exceeded and self._window",
        "return self._window",
    ),
    mutant(
        "told-twice",
        "an exceeded budget is told of again",
        "supervision._sharing",
        "Refusal(outermost, not outermost.exceeded)",
        "Refusal(outermost, True)",
    ),
    mutant(
        "takes-one-only",
        "a restart counts in the nearest budget alone",
        "supervision._sharing",
        "        for budget in budgets:\n            budget.take(now_ns)",
        "        for budget in budgets[:1]:\n            budget.take(now_ns)",
    ),
    mutant(
        "clock-of-two-threads",
        "a time that comes late goes backwards",
        "supervision._sharing",
        "self._latest_ns = max(self._latest_ns, now_ns)",
        "self._latest_ns = now_ns",
    ),
)

LEDGERS: Final[tuple[Mutant, ...]] = (
    mutant(
        "lease-keeps-no-age",
        "a transferred lease is as new",
        "supervision._ledger",
        "granted_ns=lease.granted_ns",
        "granted_ns=0",
    ),
    mutant(
        "ended-in-any-order",
        "leases of one that ended come in the order in which it got them",
        "supervision._ledger",
        "for each in sorted(lease_ids))",
        "for each in lease_ids)",
    ),
    mutant(
        "older-end-forgets",
        "a late notice of an older end makes a later one unknown",
        "supervision._ledger",
        "self._ended[holder] = max(incarnation, self._ended.pop(holder, incarnation))",
        "self._ended.pop(holder, None)\n        self._ended[holder] = incarnation",
    ),
    mutant(
        "remembers-one-less",
        "one holder less is remembered",
        "supervision._ledger",
        "if len(self._ended) > self._remembered_ends:",
        "if len(self._ended) >= self._remembered_ends:",
    ),
    mutant(
        "no-new-monitor",
        "who gets a lease by transfer is not watched",
        "supervision._ledger",
        "        return (*self._enter(moved), *self._leave(lease))",
        "        return (*self._enter(moved)[1:], *self._leave(lease))",
    ),
    mutant(
        "transfer-closes",
        "a release does not close the ledger",
        "supervision._ledger",
        "return (ended, *self._leave(lease), *self._close_if_last())",
        "return (ended, *self._leave(lease))",
    ),
)

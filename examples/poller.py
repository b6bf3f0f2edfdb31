"""A poller with back-off: a coroutine that only polls. When it fails, its supervisor waits, longer each time."""

import asyncio
import threading

from greenroom.supervision import ActorSystem, Backoff, ChildSpec, Supervisor, SupervisorFlags
from greenroom.supervision.events import ChildRestarting, SystemEvent
from greenroom.supervision.tasks import current

MS = 1_000_000
OUTAGE = 4


class Source:
    """Something far away that is down for its first calls."""

    def __init__(self) -> None:
        self.calls = 0

    async def read(self) -> int:
        """Return the next value."""
        self.calls += 1
        await asyncio.sleep(0.001)
        if self.calls <= OUTAGE:
            raise ConnectionError("it is down")
        return self.calls


async def poll(source: Source, enough: threading.Event) -> None:
    """Poll for ever; no error is handled here."""
    while True:
        value = await source.read()
        print(f"value {value}, by incarnation {current().incarnation}")
        if value == OUTAGE + 3:
            enough.set()
        await asyncio.sleep(0.001)


def tell(event: SystemEvent) -> None:
    """Print what the supervisor does."""
    if isinstance(event, ChildRestarting):
        print(f"{event.child} is restarted after {event.delay_ns // MS} ms")


def main() -> None:
    """Poll until the source has been up for a while."""
    backoff = Backoff(initial_ns=10 * MS, max_ns=40 * MS, factor=2, jitter=0, immediate_first=False)
    with ActorSystem() as system:
        system.observe(tell)
        enough = threading.Event()
        poller = ChildSpec(id="poller", start=poll, args=(Source(), enough), backoff=backoff)
        system.start(Supervisor, SupervisorFlags(intensity=10), [poller])
        enough.wait(10)


if __name__ == "__main__":
    main()

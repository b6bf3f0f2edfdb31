"""A worker pool with supervision alone, no audio: one job crashes its worker, and the pool goes on with all of them."""

import itertools

from greenroom.supervision import (
    Actor,
    ActorCrashed,
    ActorSystem,
    ChildSpec,
    Strategy,
    Supervisor,
    SupervisorFlags,
    WhichChildren,
)


class Divider(Actor):
    """Divides 100 by what it is asked."""

    def on_receive(self, message: int) -> float:
        """Answer, or crash: nothing here is declared as an answer."""
        return 100 / message


def main() -> None:
    """Start four workers, give them eight jobs in turn, and see who did what."""
    flags = SupervisorFlags(strategy=Strategy.ONE_FOR_ONE, intensity=3, period_ns=5_000_000_000)
    children = [ChildSpec(id=f"worker-{number}", start=Divider) for number in range(1, 5)]
    with ActorSystem() as system:
        pool = system.start(Supervisor, flags, children)
        workers = [child.ref for child in pool.ask(WhichChildren())]
        jobs = [5, 4, 0, 10, 20, 25, 50, 100]
        # All are asked at once; the answers are waited for afterwards.
        asked = [
            (job, ref, ref.ask(job, block=False))
            for job, ref in zip(jobs, itertools.cycle(workers), strict=False)
        ]
        for job, ref, answer in asked:
            try:
                print(f"{ref.name}: 100 / {job} = {answer.get(timeout=5):g}")
            except ActorCrashed as error:
                print(f"{ref.name}: 100 / {job} crashed it with {type(error.cause).__name__}")
        # The refs are the same; behind the third is the next incarnation, and job 7 waited for it.
        print("incarnations:", [ref.incarnation for ref in workers])


if __name__ == "__main__":
    main()

"""Supervision alone, without any audio: two workers under a supervisor; one crashes, and is there again."""

from greenroom.supervision import (
    Actor,
    ActorCrashed,
    ActorSystem,
    ChildSpec,
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
    """Start a tree, break a part of it, and see it mended."""
    with ActorSystem() as system:
        children = [ChildSpec(id=name, start=Divider) for name in ("left", "right")]
        supervisor = system.start(Supervisor, SupervisorFlags(intensity=3, period_ns=5_000_000_000), children)
        left = supervisor.ask(WhichChildren())[0].ref
        print("4 ->", left.ask(4))
        try:
            left.ask(0)
        except ActorCrashed as error:
            print("0 ->", error)
        # The ref is the same; behind it is the next incarnation.
        print("5 ->", left.ask(5), "from incarnation", left.incarnation)


if __name__ == "__main__":
    main()

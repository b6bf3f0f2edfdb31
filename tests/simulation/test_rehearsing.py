"""A fault plan on real threads: the processors of a run fail as the plan says, what can only be simulated is refused."""

import pytest

from greenroom.console.cli import BAD_INPUT, main
from greenroom.simulation import BadFaultPlan, Fault, FaultPlan, Rehearsal, check_real, load_faults
from greenroom.simulation.fakes import RecordingProcessor, silence
from greenroom.supervision import ThreadRuntime


def plan(kind: str, where: str) -> FaultPlan:
    """Return a plan of one fault, the first time."""
    return FaultPlan(faults=(Fault(at="processor", kind=kind, where=where, nth=(1,), ms=1),))


@pytest.mark.parametrize(
    ("kind", "told"), [("none", None), ("wrong_type", 7), ("wrong_size", 79), ("wrong_rate", 16_000)]
)
def test_wrong_results_come_out_of_a_real_processor(kind: str, told: object) -> None:
    """Once, at the visit that the plan names; then its own."""
    runtime = ThreadRuntime()
    rehearsal = Rehearsal(plan(kind, "frame"), runtime)
    processor = rehearsal.around("p", RecordingProcessor)()
    first, second = processor._process(silence(0)), processor._process(silence(1))
    shown = {"wrong_size": lambda: first.frames, "wrong_rate": lambda: first.rate_hz}
    assert shown.get(kind, lambda: first)() == told
    assert second.timestamp_ns == 10_000_000
    assert [str(each) for each in rehearsal.fired] == [f"processor p, frame number 1: {kind}"]
    runtime.close()


@pytest.mark.parametrize("where", ["build", "close", "enabled"])
def test_real_processors_raise_where_the_plan_says(where: str) -> None:
    """And what is real is closed all the same."""
    runtime = ThreadRuntime()
    inner = RecordingProcessor()
    factory = Rehearsal(plan("raise", where), runtime).around("p", lambda: inner)

    def use() -> None:
        processor = factory()
        assert processor.enabled
        processor._close()

    with pytest.raises(RuntimeError, match="raise, as planned"):
        use()
    assert inner.closed == (where == "close")
    runtime.close()


def test_what_can_only_be_simulated_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """By the fault's number and place, before anything starts."""
    assert check_real(load_faults("processors")).name == "processors"
    with pytest.raises(BadFaultPlan, match=r"fault plan 'backend', fault 1: backend faults \(omit\)"):
        check_real(load_faults("backend"))
    assert main(["run", "demo", "--fast", "--faults", "actors"]) == BAD_INPUT
    assert "greenroom's own actors are not touched in a real run" in capsys.readouterr().err
    assert main(["run", "demo", "--faults", "procesors"]) == BAD_INPUT
    assert "did you mean 'processors'" in capsys.readouterr().err

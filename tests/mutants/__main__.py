"""Plants each mutant and looks for it: ``python -m tests.mutants``, or ``make mutants``.

Each runs in a process of its own. Afterwards the same schedules are run without any mutant: nothing may be found then.
"""

import argparse
import json
import logging
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

from tests.mutants.catalogue import MUTANTS, NOT_EXPRESSIBLE
from tests.mutants.planting import ROOT, Mutant, check, plant
from tests.mutants.ruling import RULES, plant_rules

SCHEDULES: Final = 5_000
MEDIAN_MAX: Final = 200
SECONDS_MAX: Final = 1_500
"""A process that takes longer hangs in what was planted: so says the table, and it is not found."""
CONTROL_CHUNK: Final = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of one mutant.

    Attributes:
        schedules: how many it took; 0: it was not found.
    """

    mutant: Mutant
    schedules: int
    law: str = ""
    detail: str = ""
    story: str = ""
    strategy: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 if all were found, the median is as wanted, and the control run found nothing."""
    given = _options().parse_args(arguments)
    if given.one:
        _one(given.one, given.first, given.schedules)
        return 0
    known = RULES if given.rules else MUTANTS
    unknown = [name for name in given.only if name not in known]
    if unknown:
        _say(f"no mutant {unknown[0]!r}; known: {', '.join(known)}")
        return 2
    chosen = [known[name] for name in given.only] or list(known.values())[:: given.every]
    for each in chosen:
        check(each)
    if given.rules:
        return plant_rules(chosen, given.jobs, _say)
    rows = _all(chosen, given.schedules, given.jobs)
    found = [row.schedules for row in rows if row.schedules]
    problems = [f"{row.mutant.name} was not found" for row in rows if not row.schedules]
    if found:
        _say(f"\n{len(found)} of {len(rows)} found; schedules: median {median(found):g}, most {max(found)}")
        problems += [f"the median is above {MEDIAN_MAX}"] if median(found) > MEDIAN_MAX else []
        problems += _control(max(found), given.jobs)
    if len(rows) == len(MUTANTS):  # a sample says nothing of a law
        _suspects(rows)
    for name, why in NOT_EXPRESSIBLE.items():
        _say(f"{name} cannot be planted: {why}")
    for problem in problems:
        _say(f"PROBLEM: {problem}")
    return 1 if problems else 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (2)")
    parser.add_argument("--schedules", type=int, default=SCHEDULES, help=f"at most ({SCHEDULES})")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="these mutants")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every Nth mutant: a sample")
    parser.add_argument(
        "--rules", action="store_true", help="mistakes in the pure rules, by the rules' own tests"
    )
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=1, help=argparse.SUPPRESS)
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


# -- in a process of its own ---------------------------------------------------------------------------------------------


def _one(name: str, first: int, schedules: int) -> None:
    """Look for one mutant, or with ``control-FLOOR`` for none; print what was found."""
    logging.getLogger("greenroom").setLevel(logging.CRITICAL + 1)
    floor = name.removeprefix("control-")
    if name in MUTANTS:
        plant(MUTANTS[name])
        floor = MUTANTS[name].floor
    from tests.mutants.finding import look  # noqa: PLC0415 - what is planted comes first

    found = look(floor, range(first, first + schedules))
    _say(json.dumps(None if found is None else asdict(found)))


# -- around them ---------------------------------------------------------------------------------------------------------


def _started(name: str, first: int, schedules: int) -> dict[str, Any] | None:
    command = [sys.executable, "-m", "tests.mutants", "--one", name]
    command += ["--first", str(first), "--schedules", str(schedules)]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=SECONDS_MAX
        )
    except subprocess.TimeoutExpired:
        return {"schedule": 0, "law": "", "detail": "it hangs", "story": "", "strategy": ""}
    if done.returncode:
        last = (done.stderr.strip() or "nothing was said").splitlines()[-1]
        return {
            "schedule": first,
            "law": "greenroom can be imported",
            "detail": last,
            "story": "",
            "strategy": "",
        }
    found: dict[str, Any] | None = json.loads(done.stdout.splitlines()[-1])
    return found


def _row(each: Mutant, schedules: int) -> Row:
    found = _started(each.name, 1, schedules)
    if found is None:
        return Row(mutant=each, schedules=0)
    found["schedules"] = found.pop("schedule")
    return Row(mutant=each, **found)


def _all(chosen: Sequence[Mutant], schedules: int, jobs: int) -> list[Row]:
    """Look for all, and print a line for each when it was found, or was not."""
    wide = max(len(each.name) for each in chosen)
    _say(f"{'mutant':{wide}} | G   | schedules | law | what is planted | story, faults | strategy")
    rows: list[Row] = []
    with ThreadPoolExecutor(jobs) as pool:
        for done in as_completed([pool.submit(_row, each, schedules) for each in chosen]):
            row = done.result()
            rows.append(row)
            law, count = row.law or "NOT FOUND", row.schedules or "-"
            told = f"{row.mutant.name:{wide}} | {row.mutant.upstream:3} | {count:>9} | {law}"
            _say(f"{told} | {row.mutant.plants} | {row.story} | {row.strategy}")
    return rows


def _control(most: int, jobs: int) -> Iterator[str]:
    """Run the same schedules without a mutant; say what is found, as nothing may be."""
    parts = [
        (f"control-{floor}", first, min(CONTROL_CHUNK, most + 1 - first))
        for floor in ("actors", "supervision")
        for first in range(1, most + 1, CONTROL_CHUNK)
    ]
    with ThreadPoolExecutor(jobs) as pool:
        results = [each.result() for each in [pool.submit(_started, *part) for part in parts]]
    wrong = [found for found in results if found is not None]
    _say(f"control: {most} schedules of each kind without a mutant, {len(wrong)} findings")
    for found in wrong:
        yield f"found without a mutant: {found}"


def _suspects(rows: Sequence[Row]) -> None:
    from tests.mutants.finding import all_laws  # noqa: PLC0415 - no mutant is planted in this process

    tripped = {row.law for row in rows}
    suspects = [law for law in all_laws() if law not in tripped]
    _say(f"laws that no mutant trips, and that are suspect: {'; '.join(suspects) or 'none'}")


if __name__ == "__main__":
    raise SystemExit(main())

"""``make bench``: every measurement, one table. Names of files choose: ``make bench ARGS='lanes'``."""

import importlib
import sys
from pathlib import Path

from benchmarks._table import Row, show


def main(chosen: list[str]) -> None:
    """Run the chosen benchmarks, or all of them."""
    found = sorted(path.stem for path in Path(__file__).parent.glob("bench_*.py"))
    known = [name.removeprefix("bench_") for name in found]
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        sys.exit(f"no benchmark {unknown[0]!r}; there are: {', '.join(known)}")
    rows: list[Row] = []
    for name in found:
        if not chosen or name.removeprefix("bench_") in chosen:
            print(f"{name} ...", file=sys.stderr, flush=True)
            rows.extend(importlib.import_module(f"benchmarks.{name}").rows())
    show(rows)


if __name__ == "__main__":
    main(sys.argv[1:])

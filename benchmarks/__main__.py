"""``make bench``: every measurement, one table. Names of files choose, or how they begin: ``make bench ARGS='lanes livekit'``."""

import importlib
import sys
from pathlib import Path

from benchmarks._table import Row, show


def main(chosen: list[str]) -> None:
    """Run the chosen benchmarks, or all of them."""
    found = sorted(path.stem for path in Path(__file__).parent.glob("bench_*.py"))
    known = [name.removeprefix("bench_") for name in found]
    for word in chosen:
        if not any(_means(word, name) for name in known):
            sys.exit(f"no benchmark {word!r}; there are: {', '.join(known)}")
    rows: list[Row] = []
    for name in found:
        if not chosen or any(_means(word, name.removeprefix("bench_")) for word in chosen):
            print(f"{name} ...", file=sys.stderr, flush=True)
            rows.extend(importlib.import_module(f"benchmarks.{name}").rows())
    show(rows)


def _means(word: str, name: str) -> bool:
    return name == word or name.startswith(f"{word}_")


if __name__ == "__main__":
    main(sys.argv[1:])

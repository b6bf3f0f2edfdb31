"""A failure as a page to look at: who did what and when, a line for each actor, time going down; one file, light and dark."""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Final

from greenroom.simulation._trace import Line, Trace

ROW: Final = 22
COLUMN: Final = 132
LEFT: Final = 150
TOP: Final = 74
ROWS_MAX: Final = 600
LABEL: Final = 19
"""Characters of a label that fit between two lines."""
_STYLE: Final = """
:root{color-scheme:light dark;--back:#fbfaf7;--ink:#23252a;--dim:#8a8f98;--line:#d9d6cd;--actor:#2f6fb4;--lane:#2e8b6f;
--timer:#a4742a;--fault:#c2403a;--story:#6c4fb3;--card:#fff}
@media(prefers-color-scheme:dark){:root{--back:#16181c;--ink:#e6e4de;--dim:#8b919b;--line:#33373f;--actor:#6fb0f2;
--lane:#63c9a5;--timer:#dcae62;--fault:#ff7b72;--story:#b79cf5;--card:#1e2126}}
body{margin:0;background:var(--back);color:var(--ink);font:14px/1.45 system-ui,sans-serif}
header,section{padding:18px 24px}h1{font-size:20px;margin:0 0 6px}h2{font-size:15px;margin:0 0 6px}
.law{color:var(--fault);font-weight:600}code,pre,ol{font:12.5px/1.5 ui-monospace,monospace}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--card);border:1px solid var(--line);padding:8px 10px;border-radius:6px}
.two{display:flex;flex-wrap:wrap;gap:24px}.two>div{flex:1 1 380px;min-width:0}
.chart{overflow:auto;max-height:88vh;border-top:1px solid var(--line);border-bottom:1px solid var(--line)}
svg{display:block}text{font:11px ui-monospace,monospace;fill:var(--ink)}.dim{fill:var(--dim)}.name{font-weight:600}
.life{stroke:var(--line)}.wake{stroke:var(--dim);fill:none;stroke-width:1;opacity:.75}
.actor{fill:var(--actor)}.lane{fill:var(--lane)}.timer{fill:var(--timer)}.fault{fill:var(--fault)}.law{fill:var(--fault)}
.story,.scenario{fill:var(--story)}.band{fill:var(--story);opacity:.09}.bad{fill:var(--fault);opacity:.14}
"""


def chart_of(trace: Trace) -> str:
    """Return the page."""
    failure = trace.outcome.failure
    title = f"seed {trace.repeat.seed}: " + ("all laws held" if failure is None else failure.title)
    return "\n".join(
        (
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<style>{_STYLE}</style></head><body>",
            *_head(trace, title),
            *_svg([line for line in trace.lines if not line.quiet]),
            "</body></html>\n",
        )
    )


def write_chart(trace: Trace, path: str | Path) -> None:
    """Write the page."""
    Path(path).write_text(chart_of(trace), "utf8")


def _head(trace: Trace, title: str) -> Iterator[str]:
    failure = trace.outcome.failure
    yield f"<header><h1>{escape(title)}</h1>"
    if failure is not None:
        yield f'<p class="law">{escape(str(failure))}</p>'
    yield f"<p>{trace.outcome.steps} steps, {trace.outcome.virtual_ns / 1e6:g} ms of virtual time.</p></header>"
    yield '<section class="two"><div><h2>Scenario</h2><ol>'
    yield from (f"<li>{escape(str(step))}</li>" for step in trace.repeat.scenario.steps)
    yield "</ol></div><div><h2>Faults</h2><ol>"
    yield from (f"<li>{escape(str(fired))}</li>" for fired in trace.outcome.fired)
    yield f"</ol><h2>Again</h2><pre>greenroom simulate --replay {escape(trace.repeat.token())}</pre></div></section>"


def _svg(lines: Sequence[Line]) -> Iterator[str]:
    cut = len(lines) - ROWS_MAX
    shown = lines[-ROWS_MAX:]
    if cut > 0:
        yield f"<section>The first {cut} lines are not drawn; --trace FILE writes all.</section>"
    columns = {
        path: number for number, path in enumerate(dict.fromkeys(line.path for line in shown if line.path))
    }
    width, height = LEFT + COLUMN * max(1, len(columns)) + 60, TOP + ROW * (len(shown) + 1)
    yield f'<div class="chart"><svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label="sequence of steps">'
    for path, number in columns.items():
        x = LEFT + COLUMN * number
        above, _, name = path.rpartition("/")
        yield f'<text x="{x}" y="26" class="dim"><title>{escape(path)}</title>{escape(_end(above.rpartition("/")[2]))}</text>'
        yield f'<text x="{x}" y="42" class="name"><title>{escape(path)}</title>{escape(_end(name))}</text>'
        yield f'<line class="life" x1="{x}" x2="{x}" y1="52" y2="{height}"/>'
    rows = {line.number: row for row, line in enumerate(shown) if line.number}
    for row, line in enumerate(shown):
        yield from _row(line, row, columns, rows, shown, width)
    yield "</svg></div>"


def _row(
    line: Line, row: int, columns: dict[str, int], rows: dict[int, int], shown: Sequence[Line], width: int
) -> Iterator[str]:
    y = TOP + ROW * row
    before = shown[row - 1].at_ns if row else -1
    if line.at_ns != before:
        yield f'<text x="10" y="{y + 4}" class="dim">{line.at_ns / 1e6:.3f} ms</text>'
    if not line.path:
        band = "bad" if line.kind in ("fault", "law") else "band"
        yield f'<rect class="{band}" x="0" y="{y - 12}" width="{width}" height="{ROW - 3}"/>'
        yield f'<text x="{LEFT - 44}" y="{y + 4}" class="{line.kind}">{line.kind}: {escape(line.what)}</text>'
        return
    x = LEFT + COLUMN * columns[line.path]
    woken = rows.get(line.woken_by)
    if woken is not None and shown[woken].path != line.path:
        from_x, from_y = LEFT + COLUMN * columns[shown[woken].path], TOP + ROW * woken
        yield f'<path class="wake" d="M{from_x} {from_y}C{from_x} {y} {x} {from_y} {x} {y - 5}"/>'
    told = f"{line.number} {line.path} <- {line.what}"
    yield f'<g><title>{escape(told)}</title><circle class="{line.kind}" cx="{x}" cy="{y}" r="4.5"/>'
    yield f'<text x="{x + 8}" y="{y + 4}">{escape(_short(line.what))}</text></g>'


def _short(what: str) -> str:
    what = what.replace("continue ", "").replace("hear_child ", "").replace(".<locals>", "")
    what = what.rpartition(".")[2] if "." in what else what
    return what if len(what) <= LABEL - 2 else what[: LABEL - 3] + "…"


def _end(name: str) -> str:
    return name if len(name) <= LABEL else "…" + name[-LABEL + 1 :]

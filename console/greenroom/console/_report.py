"""``report.json``: the facts of a run for programs. Its fields are part of greenroom's contract.

=================  ==================================================================================
field              meaning
=================  ==================================================================================
schema             ``greenroom.report/1``; the number grows when a field changes its meaning or goes
greenroom          the version that wrote it
created            when, ISO 8601
deployment         its name
pace               ``realtime`` or ``fast``
stopped_by         ``end``, ``--for`` or ``signal``
duration_ns        from the session's start to its end, on the runtime's clock
held               whether all laws held; the exit code is 0 only then
verdicts           per law: ``law`` (number), ``title``, ``held``, ``detail``
streams            per stream: ``room``, ``track``, ``stream``, ``pipeline``, ``frames_in``,
                   ``frames_out``, ``in_flight``, ``lost``, ``dropped`` and ``bypassed`` (frames by
                   reason), ``latency`` (``count``, ``p50_ns``, ``p99_ns``, ``max_ns``; null without a
                   frame), ``noise`` (``method``, ``before_db``, ``after_db``, ``reduction_db``,
                   ``delay_frames``; null if not measured), ``output`` (file name; null if none)
processors         per processor: ``name``, ``spec``, ``state``, ``placement``, ``on_fault``, ``opened``,
                   ``closed``, ``restarts``, ``leases_granted``, ``faults`` (by reason), ``last_failure``
events             in order: ``at_ns`` (since the start), ``media_ns`` (how much audio had been read by
                   then), ``kind``, ``subject``, ``details``
leftovers          what should have been gone and was not
unplayed           faults of the script that did not happen
failures           inputs that could not be read to their end, outputs that could not be written
=================  ==================================================================================
"""

import json
from typing import Any, Final

from greenroom.actors import Verdict
from greenroom.actors.snapshots import ProcessorSnapshot, SessionEvent
from greenroom.console._facts import RunFacts, StreamFacts

SCHEMA: Final = "greenroom.report/1"


def report_json(facts: RunFacts) -> str:
    """Return the report as JSON text, ending in a newline."""
    return json.dumps(report(facts), indent=2, ensure_ascii=False, default=str) + "\n"


def report(facts: RunFacts) -> dict[str, Any]:
    """Return the report as plain values."""
    return {
        "schema": SCHEMA,
        "greenroom": facts.version,
        "created": facts.created,
        "deployment": facts.name,
        "pace": facts.pace,
        "stopped_by": facts.stopped_by,
        "duration_ns": facts.ended_ns - facts.started_ns,
        "held": facts.held,
        "verdicts": [_verdict(verdict) for verdict in facts.verdicts],
        "streams": [_stream(stream) for stream in facts.streams],
        "processors": [_processor(processor) for processor in facts.processors],
        "events": [
            _event(event, facts.started_ns, media_ns)
            for event, media_ns in zip(facts.events, facts.media_ns, strict=True)
        ],
        "leftovers": list(facts.leftovers),
        "unplayed": list(facts.unplayed),
        "failures": list(facts.failures),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {"law": verdict.law, "title": verdict.title, "held": verdict.held, "detail": verdict.detail}


def _stream(stream: StreamFacts) -> dict[str, Any]:
    latency, noise = stream.latency, stream.noise
    return {
        "room": stream.room,
        "track": stream.track,
        "stream": stream.stream,
        "pipeline": list(stream.pipeline),
        "frames_in": stream.frames_in,
        "frames_out": stream.frames_out,
        "in_flight": stream.in_flight,
        "lost": stream.frames_lost,
        "dropped": {str(reason): n for reason, n in stream.dropped.items()},
        "bypassed": {str(reason): n for reason, n in stream.bypassed.items()},
        "latency": {
            "count": latency.count,
            "p50_ns": latency.p50_ns,
            "p99_ns": latency.p99_ns,
            "max_ns": latency.max_ns,
        }
        if latency.count
        else None,
        "noise": None
        if noise is None
        else {
            "method": str(noise.method),
            "before_db": round(noise.before_db, 2),
            "after_db": round(noise.after_db, 2),
            "reduction_db": round(noise.reduction_db, 2),
            "delay_frames": noise.delay_frames,
        },
        "output": stream.audio.after.name if stream.audio else None,
    }


def _processor(processor: ProcessorSnapshot) -> dict[str, Any]:
    return {
        "name": processor.name,
        "spec": processor.spec,
        "state": str(processor.state),
        "placement": str(processor.placement),
        "on_fault": str(processor.on_fault),
        "opened": processor.opened,
        "closed": processor.closed,
        "restarts": processor.restarts,
        "leases_granted": processor.leases_granted,
        "faults": {str(reason): n for reason, n in processor.faults.items()},
        "last_failure": processor.last_failure,
    }


def _event(event: SessionEvent, started_ns: int, media_ns: int) -> dict[str, Any]:
    return {
        "at_ns": event.at_ns - started_ns,
        "media_ns": media_ns,
        "kind": str(event.kind),
        "subject": event.subject,
        "details": dict(event.details),
    }

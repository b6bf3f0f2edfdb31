"""From a processor's section to the spec that the actors work by."""

from typing import TypeVar

from greenroom.actors.processors import ProcessorSpec
from greenroom.adapters.processors import resolve
from greenroom.config import _secrets
from greenroom.config._deployment import Deployment
from greenroom.config._fields import ns_of_ms, ns_of_s

Number = TypeVar("Number", int, float)


def processor_spec(deployment: Deployment, name: str) -> ProcessorSpec:
    """Return the spec of the processor ``name``: its section, with the defaults of ``[supervision]``.

    Raises:
        AdapterError: there is no such processor, or it cannot be imported.
        SecretMissing: a secret option is not where the section says.
        ValueError: the spec refuses a value.
    """
    section = deployment.file.processors[name]
    supervision = deployment.file.supervision
    return ProcessorSpec(
        name=name,
        factory=resolve(section.use),
        options=_secrets.options(section),
        placement=section.placement,
        on_fault=section.on_fault,
        shared=section.shared,
        deadline_ns=ns_of_ms(section.deadline_ms),
        hang_ns=ns_of_ms(section.hang_ms),
        build_ns=ns_of_s(section.build_s),
        close_ns=ns_of_s(section.close_s),
        capacity_frames=section.capacity_frames,
        intensity=_either(section.restarts, supervision.restarts),
        period_ns=ns_of_s(_either(section.period_s, supervision.period_s)),
        backoff_ns=ns_of_ms(_either(section.backoff_ms, supervision.backoff_ms)),
        backoff_max_ns=ns_of_ms(_either(section.backoff_max_ms, supervision.backoff_max_ms)),
        retry_ns=ns_of_s(_either(section.retry_s, supervision.retry_s)),
    )


def _either(own: Number | None, default: Number) -> Number:
    return default if own is None else own

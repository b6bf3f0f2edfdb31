"""Whether a live update of flags and specs can be made: everything is checked before anything changes."""

from collections.abc import Collection, Iterable

from greenroom.supervision.errors import BadSpec
from greenroom.supervision.spec import ChildSpec, SupervisorFlags, check_children


def checked_update(
    before: SupervisorFlags, after: SupervisorFlags, specs: Iterable[ChildSpec] | None, known: Collection[str]
) -> dict[str, ChildSpec]:
    """Return the specs by id; none if ``specs`` is None.

    Args:
        before: the flags until now.
        after: the flags from now on.
        specs: what children are to be from now on; of simple_one_for_one the template alone.
        known: the ids of the children that are there.

    Raises:
        BadSpec: a supervisor would become dynamic or stop being so, a dynamic one would know children that do not run,
            there would be too many, or the specs are wrong in themselves.
    """
    if after.strategy is not before.strategy and (after.strategy.is_dynamic or before.strategy.is_dynamic):
        hint = f"as it was, {before.strategy}: a dynamic strategy is for a supervisor's whole life"
        raise BadSpec("SupervisorFlags.strategy", after.strategy, hint)
    if specs is None:
        return {}
    checked = {spec.id: spec for spec in check_children(after, specs)}
    if after.strategy.is_template:
        return checked
    unknown = [name for name in checked if name not in known]
    if unknown and after.strategy.is_dynamic:
        hint = "that of a child that is there: a dynamic supervisor keeps none that do not run (StartChild)"
        raise BadSpec("ChildSpec.id", unknown[0], hint)
    count = len(known) + len(unknown)
    if unknown and count > after.max_children:
        raise BadSpec("children", count, f"at most {after.max_children} (SupervisorFlags.max_children)")
    return checked

"""simple_one_for_one: the one spec of which all children are instances, and what may be asked of it.

Laws:
    - an instance is the template with a name of its own, ``id#1``, ``id#2`` ..., and the arguments of its `StartChild`
      behind the template's; no name is used twice;
    - another template holds for the instances that are there too, from their next start on: they keep their names and
      the arguments of their own.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from greenroom.supervision import _checks
from greenroom.supervision._child import Child
from greenroom.supervision.errors import BadSpec
from greenroom.supervision.spec import ChildSpec


class Template:
    """What the children of one supervisor are instances of.

    Args:
        spec: checked, with an id that leaves room for a number.
    """

    __slots__ = ("_count", "spec")

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self._count = 0

    def instance(self, args: tuple[Any, ...]) -> ChildSpec:
        """Return the spec of one more instance."""
        self._count += 1
        return replace(self.spec, id=f"{self.spec.id}#{self._count}", args=(*self.spec.args, *args))

    def change(self, children: Iterable[Child], spec: ChildSpec) -> None:
        """Go on with another spec, and have the instances do so."""
        for child in children:
            child.respec(self.changed(child.spec, spec))
        self.spec = spec

    def changed(self, instance: ChildSpec, spec: ChildSpec) -> ChildSpec:
        """Return what an instance is when ``spec`` is the template."""
        own_args = instance.args[len(self.spec.args) :]
        return replace(spec, id=instance.id, args=(*spec.args, *own_args))


def spec_to_start(template: Template | None, spec: object, args: object) -> ChildSpec:
    """Return what a `StartChild` starts: its spec, or with ``args`` an instance of the template.

    Raises:
        BadSpec: it says what is for the other kind of supervisor.
    """
    if not isinstance(args, tuple):
        raise BadSpec("StartChild.args", type(args), "a tuple")  # never their values, which may be secrets
    given: tuple[Any, ...] = args  # pyright: ignore[reportUnknownVariableType]
    if template is not None:
        if spec is not None:
            what = f"left out: all children here are instances of {template.spec.id!r}, with StartChild.args"
            raise BadSpec("StartChild.spec", spec, what)
        return template.instance(given)
    checked = _checks.instance("StartChild.spec", spec, ChildSpec)
    if given:
        what = "left out, but under simple_one_for_one: a spec brings its own (ChildSpec.args)"
        raise BadSpec("StartChild.args", f"{len(given)} arguments", what)
    return checked

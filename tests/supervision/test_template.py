"""The template of simple_one_for_one, against a list of what each instance was given."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from greenroom.supervision._child import Child
from greenroom.supervision._decisions import ChildStatus
from greenroom.supervision._family import Family
from greenroom.supervision.spec import ChildSpec, Strategy, SupervisorFlags

FLAGS = SupervisorFlags(strategy=Strategy.SIMPLE_ONE_FOR_ONE)
ARGS = st.lists(st.integers(0, 9), max_size=3).map(tuple)
TEMPLATES = st.builds(ChildSpec, id=st.sampled_from("wv"), start=st.just(dict), args=ARGS)


@given(TEMPLATES, st.lists(ARGS | TEMPLATES, max_size=20))
def test_each_instance_is_the_newest_template_with_its_own_name_and_arguments(
    template: ChildSpec, steps: list[Any]
) -> None:
    """Any starts and updates: names never come twice, nor change, and arguments of its own stay behind the template's."""
    family = Family("top", FLAGS, template=template)
    assert family.template is not None
    wanted: list[tuple[str, tuple[Any, ...]]] = []
    for step in steps:
        if isinstance(step, ChildSpec):
            template = step
            family.update(None, [step])
        else:
            wanted.append((f"{template.id}#{len(wanted) + 1}", step))
            family.add(family.template.instance(step))
            family.started(wanted[-1][0], 0)
        assert family.template.spec == template
        assert [(child.id, child.spec.args) for child in family] == [
            (name, template.args + args) for name, args in wanted
        ]
        assert all(child.spec.start is dict and child.spec.id == child.id for child in family)


def test_a_child_is_down_unless_something_of_it_runs() -> None:
    """Stopped, or restarting with nothing under way."""
    child = Child(ChildSpec(id="a", start=dict), ChildStatus.STOPPED)
    assert child.is_down
    child.status = ChildStatus.RUNNING
    assert not child.is_down

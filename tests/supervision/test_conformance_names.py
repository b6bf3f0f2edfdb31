"""The table of the 88 cases of OTP 25's supervisor_SUITE, and that each has its test, which says what its rule is."""

import ast
from pathlib import Path

HERE = Path(__file__).parent
CASES = [
    "sup_start_normal",
    "sup_start_ignore_init",
    "sup_start_ignore_child",
    "sup_start_ignore_temporary_child",
    "sup_start_ignore_temporary_child_start_child",
    "sup_start_ignore_temporary_child_start_child_simple",
    "sup_start_ignore_permanent_child_start_child_simple",
    "sup_start_error_return",
    "sup_start_fail",
    "sup_start_child_returns_error",
    "sup_start_restart_child_returns_error",
    "sup_start_child_returns_error_simple",
    "sup_start_map",
    "sup_start_map_simple",
    "sup_start_map_faulty_specs",
    "sup_stop_infinity",
    "sup_stop_timeout",
    "sup_stop_timeout_dynamic",
    "sup_stop_brutal_kill",
    "sup_stop_brutal_kill_dynamic",
    "sup_stop_race",
    "sup_stop_non_shutdown_exit_dynamic",
    "permanent_normal",
    "permanent_shutdown",
    "permanent_abnormal",
    "transient_normal",
    "transient_shutdown",
    "transient_abnormal",
    "temporary_normal",
    "temporary_shutdown",
    "temporary_abnormal",
    "faulty_application_shutdown",
    "one_for_one",
    "one_for_one_escalation",
    "one_for_all",
    "one_for_all_escalation",
    "one_for_all_other_child_fails_restart",
    "rest_for_one",
    "rest_for_one_escalation",
    "rest_for_one_other_child_fails_restart",
    "simple_one_for_one",
    "simple_one_for_one_shutdown",
    "simple_one_for_one_extra",
    "simple_one_for_one_escalation",
    "simple_one_for_one_corruption",
    "nonsignificant_temporary",
    "nonsignificant_transient",
    "significant_temporary",
    "significant_transient",
    "significant_simple",
    "significant_bystander",
    "significant_escalation",
    "significant_upgrade_never_any",
    "significant_upgrade_any_never",
    "significant_upgrade_never_all",
    "significant_upgrade_all_never",
    "significant_upgrade_any_all",
    "significant_upgrade_all_any",
    "significant_upgrade_child",
    "child_adm",
    "child_adm_simple",
    "extra_return",
    "child_specs",
    "child_specs_map",
    "sup_flags",
    "multiple_restarts",
    "child_unlink",
    "tree",
    "count_children",
    "count_children_supervisor",
    "count_restarting_children",
    "get_callback_module",
    "do_not_save_start_parameters_for_temporary_children",
    "do_not_save_child_specs_for_temporary_children",
    "simple_one_for_one_scale_many_temporary_children",
    "temporary_bystander",
    "simple_global_supervisor",
    "hanging_restart_loop",
    "hanging_restart_loop_rest_for_one",
    "hanging_restart_loop_simple",
    "code_change",
    "code_change_map",
    "code_change_simple",
    "code_change_simple_map",
    "order_of_children",
    "scale_start_stop_many_children",
    "format_log_1",
    "format_log_2",
]


def contract_tests() -> dict[str, list[str]]:
    """Return each test of the contract, with its fixtures, by name."""
    found: dict[str, list[str]] = {}
    for path in HERE.glob("test_conformance_*.py"):
        for node in ast.parse(path.read_text("utf8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                assert node.name not in found, f"{node.name} is there twice"
                assert ast.get_docstring(node), f"{node.name} does not say its rule"
                found[node.name] = [each.arg for each in node.args.args]
    return found


def test_all_cases_are_there() -> None:
    """88 names, none twice, each with a test that runs on a system."""
    assert len(CASES) == len(set(CASES)) == 88
    found = contract_tests()
    assert [name for name in CASES if f"test_{name}" not in found] == []
    assert [name for name in CASES if not {"system", "real", "simulated"} & {*found[f"test_{name}"]}] == []


def test_only_what_needs_no_order_of_events_runs_on_threads_alone() -> None:
    """Every case runs in a dozen simulated orders, but those of data and of scale."""
    found = contract_tests()
    on_threads = {name for name in CASES if "real" in found[f"test_{name}"]}
    assert on_threads == {
        "sup_start_map_faulty_specs",
        "child_specs",
        "child_specs_map",
        "sup_flags",
        "scale_start_stop_many_children",
        "simple_one_for_one_scale_many_temporary_children",
    }

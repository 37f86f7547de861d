import importlib.metadata
import inspect
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import Flow, Task
from prefect.cache_policies import NO_CACHE
from prefect.flows import load_flow_from_entrypoint

import flows.tasks

ROOT = Path(__file__).parents[2]
PREFECT_YAML = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS: dict[str, dict[str, Any]] = {
    entry["name"]: entry for entry in PREFECT_YAML["deployments"]
}
FLOW_FILES = {
    path.stem: path for path in (ROOT / "flows").glob("*.py") if "\n@flow" in path.read_text()
}


def load(name: str) -> Flow[..., Any]:
    entrypoint = str(ROOT / DEPLOYMENTS[name]["entrypoint"])
    return load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)


def test_every_flow_file_has_one_deployment():
    assert set(FLOW_FILES) == set(DEPLOYMENTS)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_entrypoint_loads_without_a_placeholder(name):
    flow = load(name)
    assert Path(inspect.getfile(flow.fn)) == FLOW_FILES[name]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_flow_file_and_deployment_share_a_verb(name):
    assert DEPLOYMENTS[name]["entrypoint"] == f"flows/{name}.py:{name}"
    assert load(name).name == name


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_flow_may_stand_for_a_given_hour(name):
    parameter = inspect.signature(load(name).fn).parameters["as_of"]
    assert parameter.default is None


@pytest.mark.parametrize("name", [path.stem for path in (ROOT / "flows").glob("[!_]*.py")])
def test_no_file_of_flows_hides_a_module(name):
    # Prefect puts this folder first on the path: a file of such a name would be imported instead.
    elsewhere = [folder for folder in sys.path if Path(folder) != ROOT / "flows"]
    assert name not in sys.stdlib_module_names
    assert name not in importlib.metadata.packages_distributions()
    assert PathFinder.find_spec(name, elsewhere) is None


def test_prefect_yaml_holds_no_path_of_a_machine():
    assert "pull" not in PREFECT_YAML
    assert all("pull" not in entry for entry in DEPLOYMENTS.values())
    assert str(ROOT) not in (ROOT / "prefect.yaml").read_text()
    assert not any(Path(entry["entrypoint"]).is_absolute() for entry in DEPLOYMENTS.values())


def test_history_has_a_work_pool_of_its_own_for_a_cluster():
    pools = {name: entry["work_pool"]["name"] for name, entry in DEPLOYMENTS.items()}
    assert {name for name, pool in pools.items() if pool == "liqheat-cluster"} == {"backfill"}
    assert set(pools.values()) == {"liqheat", "liqheat-cluster"}
    assert all(entry["concurrency_limit"]["limit"] == 1 for entry in DEPLOYMENTS.values())


def test_what_is_due_by_itself_and_nothing_else_is_scheduled():
    assert {name for name, entry in DEPLOYMENTS.items() if entry.get("schedules")} == {
        "ingest",
        "hourly",
        "fetch",
        "watch",
        "vary",
        "calibrate",
        "maintain",
    }


def test_each_deployment_runs_once_at_a_time():
    limits = [entry["concurrency_limit"] for entry in DEPLOYMENTS.values()]
    assert all(limit == {"limit": 1, "collision_strategy": "ENQUEUE"} for limit in limits)


def test_a_collector_runs_its_deployments_when_the_writer_runs_them():
    collector = yaml.safe_load((ROOT / "prefect-collector.yaml").read_text())["deployments"]
    assert {entry["name"] for entry in collector} == {"ingest", "watch", "maintain"}
    for entry in collector:
        same = {key: value for key, value in entry.items() if key != "description"}
        whole = DEPLOYMENTS[entry["name"]]
        assert same == {key: value for key, value in whole.items() if key != "description"}


TASKS = {name: value for name, value in vars(flows.tasks).items() if isinstance(value, Task)}


def test_there_are_tasks():
    assert {"load", "build_maps", "publish"} <= set(TASKS)


@pytest.mark.parametrize("name", TASKS)
def test_task_is_never_cached_and_tried_again_only_where_that_may_help(name):
    task = TASKS[name]
    assert task.cache_policy is NO_CACHE
    assert task.retry_condition_fn is flows.tasks.is_transient
    assert task.retry_jitter_factor
    assert list(task.retry_delay_seconds) == sorted(task.retry_delay_seconds)

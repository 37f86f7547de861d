"""Which estimators are run: those that ship, and those a user has described in YAML.

A file in ``LIQHEAT_HOME/estimators`` names an estimator and where its assumptions differ from those
of a shipped one; it is built, compared and published like these.
"""

from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path

from duckdb import DuckDBPyConnection

from jobs.compare.comparison_rows import CONSENSUS
from jobs.compare.outside_maps import MEASURED_PROVIDERS
from jobs.errors import EstimatorRejected
from jobs.settings import Settings
from sources.errors import InputRejected
from sources.user_files import read_yaml
from transforms.errors import InvalidParameters
from transforms.estimators import ESTIMATORS, EstimatorParameters
from transforms.ledger import LEDGERS
from transforms.parameter_list import parameter_rows
from transforms.path_only import PATH_ONLY
from warehouse.connect import insert_values

RESERVED_NAMES = (*ESTIMATORS, *LEDGERS, PATH_ONLY.provider, *MEASURED_PROVIDERS, CONSENSUS)
"""Names of providers that exist already."""


def configured_estimators(settings: Settings) -> tuple[EstimatorParameters, ...]:
    """Return the shipped estimators, then the user's by file name.

    Raises
    ------
    EstimatorRejected
        A file does not describe an estimator; the message names the file and the mistake.
    """
    known: dict[str, Path] = {}
    own = []
    folder = settings.estimators
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        parameters = read_estimator(path)
        name = parameters.provider
        if name in RESERVED_NAMES:
            raise EstimatorRejected(
                f"{path}: provider {name} is taken; give it a name of its own, "
                f"and `base: {name}` to begin from it"
                if name in ESTIMATORS
                else f"{path}: provider {name} is taken; give it a name of its own"
            )
        if name in known:
            raise EstimatorRejected(
                f"{path}: provider {name} is described in {known[name]} already; "
                "give it another name, or delete one of the two"
            )
        known[name] = path
        own.append(parameters)
    return (*ESTIMATORS.values(), *own)


def read_estimator(path: Path) -> EstimatorParameters:
    """Return the estimator a file describes.

    Raises
    ------
    EstimatorRejected
        The file cannot be read, is not a mapping, or does not describe an estimator.
    """
    try:
        content = read_yaml(path)
    except InputRejected as exc:
        raise EstimatorRejected(str(exc)) from exc
    if not isinstance(content, dict):
        raise EstimatorRejected(
            f"{path}: holds {type(content).__name__}, expected names and values, "
            "at least `provider: my_name`"
        )
    try:
        return EstimatorParameters.from_mapping(content)
    except InvalidParameters as exc:
        raise EstimatorRejected(f"{path}: {exc}") from exc


def store_parameters(
    connection: DuckDBPyConnection, estimators: Iterable[EstimatorParameters]
) -> None:
    """Store the assumptions of each estimator under their hash, unless they are there."""
    store_assumptions(
        connection,
        {
            parameters.params_hash: [
                [
                    row.params_hash,
                    row.provider,
                    row.parameter_name
                    + (f"[{row.leverage:g}x]" if row.leverage is not None else ""),
                    row.value,
                    row.unit,
                    row.reason,
                ]
                for row in parameter_rows(parameters)
            ]
            for parameters in estimators
        },
    )


def store_assumptions(
    connection: DuckDBPyConnection, rows_by_hash: Mapping[str, list[list[str]]]
) -> None:
    """Store rows of derived.estimator_parameter of some hashes, unless they are there.

    In one statement: a single row of a hash marks all of them as stored.
    """
    stored = connection.execute(
        "select distinct params_hash from derived.estimator_parameter "
        "where list_contains(?, params_hash)",
        [list(rows_by_hash)],
    ).fetchall()
    known = {params_hash for (params_hash,) in stored}
    new = [rows for params_hash, rows in rows_by_hash.items() if params_hash not in known]
    insert_values(connection, "derived.estimator_parameter", chain.from_iterable(new))

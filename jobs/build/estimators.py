"""Which estimators are run: those that ship, and those a user has described in YAML.

A file in ``LIQHEAT_HOME/estimators`` names the estimator and what it assumes otherwise than a
shipped one; it is built, compared and published like those.
"""

from pathlib import Path

from jobs.compare.comparison_rows import CONSENSUS
from jobs.compare.outside_maps import MEASURED_PROVIDERS
from jobs.errors import EstimatorRejected
from jobs.settings import Settings
from sources.errors import InputRejected
from sources.user_files import read_yaml
from transforms.errors import InvalidParameters
from transforms.estimators import ESTIMATORS, EstimatorParameters

RESERVED_NAMES = (*ESTIMATORS, *MEASURED_PROVIDERS, CONSENSUS)
"""Names under which others publish."""


def configured_estimators(settings: Settings) -> tuple[EstimatorParameters, ...]:
    """Return the shipped estimators and those of the user, by name of file.

    Raises
    ------
    EstimatorRejected
        A file does not describe an estimator; the message names the file and what is wrong in it.
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
        The file cannot be read, is no mapping, or its values describe no estimator.
    """
    try:
        told = read_yaml(path)
    except InputRejected as exc:
        raise EstimatorRejected(str(exc)) from exc
    if not isinstance(told, dict):
        raise EstimatorRejected(
            f"{path}: holds {type(told).__name__}, expected names and values, "
            "at least `provider: my_name`"
        )
    try:
        return EstimatorParameters.from_mapping(told)
    except InvalidParameters as exc:
        raise EstimatorRejected(f"{path}: {exc}") from exc

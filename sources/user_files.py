"""Small YAML files that users write by hand. Does not belong here: what they may say."""

from pathlib import Path

import yaml

from sources.errors import InputRejected


def read_yaml(path: Path) -> object:
    """Return what a YAML file says; None where it is empty.

    Raises
    ------
    InputRejected
        The file cannot be read, or is no YAML; the message names the file and the line.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        raise InputRejected(f"{path}: cannot be read ({exc})") from exc
    except yaml.YAMLError as exc:
        where = " ".join(str(exc).split())
        raise InputRejected(f"{path}: no valid YAML ({where}); correct the line it names") from exc

"""Which shipped mapping reads which file of a folder, by the files' paths.

Belongs here: matching paths to mappings. Does not belong here: reading data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sources.errors import InputRejected
from sources.recorded.input_tables import SUFFIXES, open_members, table_stem, table_suffix
from sources.recorded.kinds import list_parts
from sources.recorded.mapping import Mapping, load_mapping, shipped_mapping_names


@dataclass(frozen=True, slots=True)
class FoundInputs:
    """Files to import, and files no mapping reads.

    Parameters
    ----------
    matched : tuple of (Path, Mapping)
        Each file with the one mapping that reads it.
    unmatched : tuple of (Path, str)
        Each other importable file with what to do about it.
    """

    matched: tuple[tuple[Path, Mapping], ...]
    unmatched: tuple[tuple[Path, str], ...]


def shipped_mappings() -> tuple[Mapping, ...]:
    """Return all mappings that come with liqheat."""
    return tuple(load_mapping(name) for name in shipped_mapping_names())


def find_inputs(path: Path, mappings: Sequence[Mapping] | None = None) -> FoundInputs:
    """Return the importable files at a path, each with the mapping whose pattern it matches.

    Parameters
    ----------
    path : Path
        A file, or a folder that is searched with all folders below it.
    mappings : sequence of Mapping or None
        The mappings to choose from; None means the shipped ones.

    Returns
    -------
    FoundInputs
        In order of path. A file that no pattern or several patterns match is in `unmatched`.

    Raises
    ------
    InputRejected
        If there is nothing at the path, or no file that could be imported.
    """
    if not path.exists():
        raise InputRejected(f"{path}: there is no such file or folder")
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    if path.is_dir():
        files = [one for one in files if table_suffix(one)]
    if not files:
        raise InputRejected(f"{path}: no file here ends in {', '.join(SUFFIXES)}")
    known = shipped_mappings() if mappings is None else tuple(mappings)
    matched: list[tuple[Path, Mapping]] = []
    unmatched: list[tuple[Path, str]] = []
    for file in files:
        fitting = matching_mappings(file, known)
        if len(fitting) == 1:
            matched.append((file, fitting[0]))
        elif fitting:
            names = ", ".join(mapping.name for mapping in fitting)
            unmatched.append((file, f"several mappings match its name: name one of {names}"))
        else:
            unmatched.append((file, _advise(file, known)))
    return FoundInputs(tuple(matched), tuple(unmatched))


def matching_mappings(file: Path, mappings: Sequence[Mapping]) -> tuple[Mapping, ...]:
    """Return the mappings that read a file, by its path alone.

    One of a mapping's patterns must match from the right, and no folder may mean another market.
    Of several such mappings, those whose `file_name` the name fits are returned.
    """
    fitting = tuple(
        mapping
        for mapping in mappings
        if _matches(file, mapping) and other_market(file, mapping) is None
    )
    if len(fitting) > 1:
        return tuple(mapping for mapping in fitting if _spells(file, mapping)) or fitting
    return fitting


def other_market(file: Path, mapping: Mapping) -> str | None:
    """Return the folder that puts a file into a market which the mapping does not read, or None.

    Of all folders in the absolute path that the mapping lists under `within` or `not_within`, the
    one nearest to the file decides. A spot archive spells its files as the perpetual's does, so
    only the folder distinguishes them.

    Examples
    --------
    >>> um = shipped_mappings()[1]
    >>> other_market(Path("/spot/data/futures/um/daily/klines/x.zip"), um)
    >>> other_market(Path("/data/spot/daily/klines/x.zip"), um)
    'spot'
    """
    for folder in reversed(file.absolute().parent.parts):
        if folder.lower() in mapping.within:
            return None
        if folder.lower() in mapping.not_within:
            return folder
    return None


def describe_other_market(folder: str, mapping: Mapping) -> str:
    """Return why a file in such a folder is not read."""
    return (
        f"lies under '{folder}', another market than '{mapping.name}' reads "
        f"({mapping.description}); nothing of it was taken"
    )


def _matches(file: Path, mapping: Mapping) -> bool:
    # Patterns are written for plain suffixes in small letters.
    suffix = table_suffix(file).removesuffix(".gz")
    plain = file.absolute().with_name(table_stem(file) + suffix)
    return any(plain.match(pattern) for pattern in mapping.matches)


def _spells(file: Path, mapping: Mapping) -> bool:
    return mapping.file_name is None or mapping.file_name.match(table_stem(file)) is not None


def _advise(file: Path, mappings: Sequence[Mapping]) -> str:
    """Return what to do about a file that no mapping reads by its path."""
    for mapping in mappings:
        folder = other_market(file, mapping)
        if folder is not None and _matches(file, mapping):
            return describe_other_market(folder, mapping)
    write_one = "write a mapping for it (sources/mappings/example.yaml shows how)"
    try:
        columns = {column for member in open_members(file) for column in member.columns}
    except InputRejected as exc:
        return str(exc)
    fitting = [mapping.name for mapping in mappings if _fits(mapping, file, columns)]
    if fitting:
        return (
            f"its name matches no mapping; its columns fit {', '.join(fitting)}: name one, or "
            f"{write_one}"
        )
    return f"its name matches no mapping and its columns fit none: {write_one}"


def _fits(mapping: Mapping, file: Path, columns: set[str]) -> bool:
    if other_market(file, mapping) is not None or not _spells(file, mapping):
        return False
    wide = mapping.instrument.wide_pattern
    given = columns
    if wide is not None:
        given = {found["field"] for column in columns if (found := wide.match(column))}
    wanted = frozenset().union(*(part.named for part in list_parts(mapping)))
    return wanted <= given and columns.issuperset(mapping.row_columns)

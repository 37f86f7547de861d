"""What unfolds to gigabytes is refused before it does."""

import gzip
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sources import bounds
from sources.bounds import FREE_BYTES, check_unfolded, unfolded_limit
from sources.errors import InputRejected
from sources.recorded.input_tables import open_members


@pytest.fixture(autouse=True)
def _small_bounds(monkeypatch):
    monkeypatch.setattr(bounds, "FREE_BYTES", 100_000)


def read_all(path, column="a"):
    return sum(
        len(block.rows) for member in open_members(path) for block in member.blocks([column])
    )


def zipped(tmp_path, content, name="bars.csv"):
    path = tmp_path / "bars.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return path


def test_a_zip_that_declares_too_much_is_refused(tmp_path):
    path = zipped(tmp_path, b"a,b\n" + b"1,1\n" * 2_000_000)
    with pytest.raises(InputRejected, match=r"bars.csv: .* unfold to 8,000,004 or more"):
        open_members(path)


def test_a_zip_that_declares_less_than_it_holds_is_refused(tmp_path):
    path = zipped(tmp_path, b"a,b\n" + b"1,1\n" * 2_000_000)
    raw = bytearray(path.read_bytes())
    true_size = (8_000_004).to_bytes(4, "little")
    assert raw.count(true_size) == 2
    path.write_bytes(raw.replace(true_size, (1000).to_bytes(4, "little")))
    with pytest.raises(InputRejected):
        read_all(path)


def test_a_gzip_is_read_up_to_its_bound(tmp_path):
    path = tmp_path / "bars.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,1\n" * 2_000_000))
    with pytest.raises(InputRejected, match="unfold to"):
        read_all(path)


def test_a_line_without_end_is_refused(tmp_path):
    path = tmp_path / "bars.csv"
    path.write_bytes(b"a" * 3_000_000)
    with pytest.raises(InputRejected, match="the first line is longer"):
        open_members(path)


def test_parquet_that_declares_too_much_is_refused(tmp_path):
    path = tmp_path / "bars.parquet"
    pq.write_table(
        pa.table({"a": np.zeros(1_000_000)}), path, use_dictionary=False, compression="zstd"
    )
    with pytest.raises(InputRejected, match="unfold to 8,00"):
        open_members(path)


def test_one_long_text_repeated_by_reference_is_refused(tmp_path):
    path = tmp_path / "bars.parquet"
    index = pa.array(np.zeros(10_000, np.int32))
    pq.write_table(pa.table({"a": pa.DictionaryArray.from_arrays(index, ["x" * 50_000])}), path)
    with pytest.raises(InputRejected, match="column 'a' holds text of 50,000 bytes"):
        read_all(path)


MAP = pa.array([[("k", 1.0)]], pa.map_(pa.string(), pa.float64()))


@pytest.mark.parametrize("values", [pa.array([[1.0]]), pa.array([{"x": 1.0}]), MAP])
def test_nested_columns_are_refused_by_name(tmp_path, values):
    path = tmp_path / "bars.parquet"
    pq.write_table(pa.table({"a": values, "b": [1.0]}), path)
    with pytest.raises(InputRejected, match="column 'a' holds"):
        read_all(path)
    assert read_all(path, "b") == 1


def test_ordinary_files_are_within_bounds(tmp_path):
    rng = np.random.default_rng(1)
    text = "a,b\n" + "".join(f"{value:.2f},0\n" for value in rng.normal(size=50_000))
    for path in (zipped(tmp_path, text), tmp_path / "bars.csv.gz"):
        if path.suffix == ".gz":
            path.write_bytes(gzip.compress(text.encode()))
        assert read_all(path) == 50_000
    table = pa.table({"a": rng.normal(size=50_000), "s": ["BTCUSDT"] * 50_000})
    pq.write_table(table, tmp_path / "bars.parquet")
    assert read_all(tmp_path / "bars.parquet", "s") == 50_000


def test_the_bound_grows_with_the_file(monkeypatch):
    monkeypatch.setattr(bounds, "FREE_BYTES", FREE_BYTES)
    assert unfolded_limit(4_000_000) == 200_000_000
    check_unfolded("bars.zip", 4_000_000, 200_000_000)
    with pytest.raises(InputRejected, match="4,000,000 bytes unfold to 8"):
        check_unfolded("bars.zip", 4_000_000, 8_000_000_000)


def test_a_parquet_file_of_one_value_a_column_is_as_large_as_its_rows(tmp_path):
    path = tmp_path / "constant.parquet"
    rows = pa.nulls(100_000, pa.float64()).fill_null(7.0)
    pq.write_table(pa.table({"price": rows}), path)
    assert path.stat().st_size < 2_000
    with pytest.raises(InputRejected, match="unfold to 800,000 or more"):
        open_members(path)


def test_a_plain_file_too_large_to_hold_is_to_be_split(tmp_path, monkeypatch):
    monkeypatch.setattr(bounds, "LARGEST_BYTES", 1000)
    path = tmp_path / "bars.csv"
    path.write_text("a,b\n" + "1,1\n" * 1000)
    with pytest.raises(InputRejected, match="split it into smaller files"):
        open_members(path)


def test_a_table_of_more_rows_than_can_be_held_is_to_be_split(tmp_path, monkeypatch):
    path = tmp_path / "bars.csv"
    path.write_text("a,b\n" + "1,1\n" * 1001)
    assert read_all(path) == 1001
    monkeypatch.setattr(bounds, "LARGEST_ROWS", 1000)
    with pytest.raises(InputRejected, match="more than 1,000 rows"):
        read_all(path)

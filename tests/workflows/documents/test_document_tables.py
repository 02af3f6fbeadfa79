"""Rows as Arrow tables and Parquet files."""

import builtins
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from document_fixtures import document_at, s3, served
from pyarrow import parquet

from spapi_async import ConfigurationError, DecodeError
from spapi_async.workflows.documents import _arrow

REPORT = b"sku\tqty\tprice\n007\t5\t1.50\n1E5\t\t2\n"


async def table_of(content: bytes, **options: Any) -> pa.Table:
    """A document as an Arrow table."""
    async with served(s3("200 OK", content)) as server, document_at(server.url) as document, document:
        return await document.to_arrow(**options)


async def saved(content: bytes, path: Path, **options: Any) -> int:
    """A document as a Parquet file."""
    async with served(s3("200 OK", content)) as server, document_at(server.url) as document, document:
        return await document.save_parquet(path, **options)


def contents_of(directory: Path) -> dict[str, bytes]:
    """The files of a directory."""
    return {each.name: each.read_bytes() for each in directory.iterdir()}


async def test_every_column_is_text() -> None:
    """Leading zeros and values that look like numbers stay as they are."""
    table = await table_of(REPORT)
    assert table.schema.types == [pa.string()] * 3
    assert table.to_pydict() == {"sku": ["007", "1E5"], "qty": ["5", ""], "price": ["1.50", "2"]}


async def test_escaped_bytes_are_replaced_in_tables(tmp_path: Path) -> None:
    """The caller asked for ``surrogateescape``, which Arrow cannot hold; names of columns may contain them, too."""
    reply = s3("200 OK", b"sku\tna\xefve\n1\tCaf\xe9\xe8\n", "Content-Type: text/plain; charset=UTF-8")
    expected = {"sku": ["1"], "na\ufffdve": ["Caf\ufffd\ufffd"]}
    async with served(reply) as server:
        async with document_at(server.url, errors="surrogateescape") as document, document:
            assert (await document.to_arrow()).to_pydict() == expected
        assert document.replaced == 3
        async with document_at(server.url, errors="surrogateescape") as document, document:
            await document.save_parquet(tmp_path / "items.parquet")
    assert parquet.read_table(tmp_path / "items.parquet").to_pydict() == expected


@pytest.mark.parametrize("schema", [{"qty": pa.int64(), "price": pa.decimal128(9, 2)}, None])
async def test_a_schema_types_the_columns_it_names(schema: dict[str, pa.DataType] | None) -> None:
    """It is a mapping or Arrow's own; an empty cell is null."""
    given = schema or pa.schema([("price", pa.decimal128(9, 2)), ("qty", pa.int64())])
    table = await table_of(REPORT, schema=given)
    assert table.column_names == ["sku", "qty", "price"]
    assert table["qty"].to_pylist() == [5, None]
    assert [str(price) for price in table["price"].to_pylist()] == ["1.50", "2.00"]


async def test_a_cell_of_another_type_is_named_and_not_shown() -> None:
    """Arrow's own error shows it."""
    with pytest.raises(DecodeError, match="column 'qty' is not of type int64") as caught:
        await table_of(b"sku\tqty\n1\tMARKED\n", schema={"qty": pa.int64()})
    assert caught.value.operation == "test.get_document"
    assert "MARKED" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"


async def test_a_schema_of_other_columns_is_refused() -> None:
    """The error names them."""
    with pytest.raises(ConfigurationError, match="quantity"):
        await table_of(REPORT, schema={"quantity": pa.int64()})


async def test_uneven_rows_lose_nothing() -> None:
    """Missing cells are empty; surplus ones stay in the last column."""
    table = await table_of(b"a\tb\n1\n2\t3\t4\t5\n")
    assert table.to_pydict() == {"a": ["1", "2"], "b": ["", "3\t4\t5"]}


async def test_equal_names_are_kept_apart() -> None:
    """They are numbered as in rows."""
    assert (await table_of(b"a,a\n1,2\n", delimiter=",")).to_pydict() == {"a": ["1"], "a 2": ["2"]}


async def test_a_document_without_rows_is_an_empty_table(tmp_path: Path) -> None:
    """It has the columns of the header, if there is one."""
    assert (await table_of(b"a\tb\n")).column_names == ["a", "b"]
    assert (await table_of(b"")).num_columns == 0
    assert await saved(b"a\tb\n", tmp_path / "empty") == 0
    assert parquet.read_table(tmp_path / "empty").column_names == ["a", "b"]


async def test_a_parquet_file_is_written_by_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It equals the table."""
    monkeypatch.setattr(_arrow, "ROWS_IN_GROUP", 1000)
    content = b"sku\tqty\n" + b"".join(b"S%d\t%d\n" % (number, number % 7) for number in range(30_000))
    path = tmp_path / "report.parquet"
    assert await saved(content, path, schema={"qty": pa.int32()}) == 30_000
    file = parquet.ParquetFile(path)
    assert file.num_row_groups > 3
    assert file.read().equals(await table_of(content, schema={"qty": pa.int32()}))
    assert list(contents_of(tmp_path)) == ["report.parquet"]


def test_a_row_group_is_full_by_its_rows_or_by_its_bytes() -> None:
    """It has a hundred thousand short rows or a few long ones, so that memory is bounded."""
    group, full = _arrow.RowGroup(["a"], "\t", None), []
    for rows in ([["x"]] * (_arrow.ROWS_IN_GROUP - 1), [["x"]]):
        group.add(rows, even=True)
        full.append(group.is_full)
    assert group.take().num_rows == _arrow.ROWS_IN_GROUP
    for rows in ([["x"]], [["x" * 8_000_000]] * 9):
        group.add(rows, even=True)
        full.append(group.is_full)
    assert full == [False, True, False, True]


async def test_a_parquet_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """An earlier file stays."""
    (tmp_path / "r").write_bytes(b"old")
    with pytest.raises(DecodeError):
        await saved(REPORT, tmp_path / "r", schema={"sku": pa.int8()})
    assert contents_of(tmp_path) == {"r": b"old"}


async def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrow is imported only where it is used."""
    real = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name.partition(".")[0] == "pyarrow":
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigurationError, match=r"spapi-async\[arrow\]"):
        await table_of(REPORT)

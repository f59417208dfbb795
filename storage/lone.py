"""A statement over whole columns, told for the one row of a commit that is alone.

The commit path's statements take columns as arrays, so that one carries a batch. For a single row
that is half of PostgreSQL's work: it calls a function for every array, keeps what each gives in a
store of its own, and joins with it. So a batch of one is told in plain values.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from storage.pipeline import Statement

_ROWS = re.compile(r"unnest\(([^()]*)\)")
_ONE_OF = re.compile(r"= ANY \((\$\d+::\w+)\[\]\)")
_COLUMN = re.compile(r"\$(\d+)::\w+\[\]")


def of_rows(sql: str, rows: Sequence[tuple[Any, ...]], *shared: Any) -> Statement:
    """*sql* over *rows*, its columns, and then what all rows share: at once as `lone` has it.

    Of a row with many columns that costs half of making lists of one value and taking them out.
    """
    if len(rows) == 1:
        return _told(sql)[0], (*rows[0], *shared)
    return sql, (*map(list, zip(*rows, strict=True)), *shared)


def lone(statement: Statement) -> Statement:
    """*statement* over values where each of its columns has one; else as it is."""
    sql, parameters = statement
    for_a_row, columns = _told(sql)
    values = [*parameters]
    try:
        for index in columns:
            (values[index],) = parameters[index]
    except ValueError:  # fewer values than one, or more
        return statement
    return for_a_row, tuple(values)


@cache  # there are as many as the rooms have statements
def _told(sql: str) -> tuple[str, tuple[int, ...]]:
    """The SQL for one row, and which of its parameters, from 0, were columns."""
    columns = {int(number) - 1 for number in _COLUMN.findall(sql)}
    for_a_row = _ONE_OF.sub(r"= \1", sql)
    for_a_row = _ROWS.sub(lambda rows: f"(SELECT {rows[1].replace('[]', '')})", for_a_row)
    assert "[]" not in for_a_row, sql  # a column is rows, or the values that one may have
    return for_a_row, tuple(sorted(columns))

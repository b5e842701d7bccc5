"""The ids of rows, of jobs that name an `id_column`, while their values are written. Used in the web process.

Holds those of one chunk at a time. Does not know formats: see `result_writers`.
"""

from collections.abc import AsyncIterator

from api.result_table import Table
from jobs.results import Id
from jobs.store import Store

Ids = list[Id]


class RowIds:
    """Those of one job's rows, asked for in their order."""

    def __init__(self, store: Store, table: Table) -> None:
        self._store, self._table = store, table
        self._first, self._held = 0, Ids()

    async def of_lines(self, line: int, count: int) -> Ids:
        """For each of some lines of the table, the first of which is `line`. Raises ResultExpired."""
        per_row = self._table.lines_per_row
        return [await self._of_row(self._table.first + at // per_row) for at in range(line, line + count)]

    async def all(self) -> AsyncIterator[Ids]:
        """Those of all rows of the table, a chunk's at a time. Raises ResultExpired."""
        row = self._table.first
        while row <= self._table.last:
            await self._of_row(row)
            found = self._held[row - self._first : self._table.last + 1 - self._first]
            row += len(found)
            yield found

    async def _of_row(self, row: int) -> Id:
        if not self._first <= row < self._first + len(self._held):
            self._first, self._held = await self._store.results.ids(self._table.job_id, row)
        return self._held[row - self._first]

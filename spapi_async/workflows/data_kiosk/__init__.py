"""Data Kiosk: a GraphQL query is created, awaited and read as rows, including all further pages.

::

    async with seller.data_kiosk.download(query) as rows:
        async for row in rows:
            print(row)
"""

from spapi_async.workflows.data_kiosk._data_kiosk import DataKiosk
from spapi_async.workflows.data_kiosk._run import QueryRun, Rows

__all__ = ["DataKiosk", "QueryRun", "Rows"]

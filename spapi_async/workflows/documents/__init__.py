"""The documents of reports, feeds and Data Kiosk: streaming downloads, and uploads.

::

    async with seller.documents.report(report_document_id) as document:
        async for row in document.iter_rows():
            print(row["sku"], row["quantity"])

A document is a file at a presigned URL, which is valid for five minutes and to which no access token may be sent. It
may be gzipped whatever its headers say, have an encoding that is named as in Java, and be larger than memory. It is
read in pieces: URL → ``_download`` (range requests after a broken connection, a fresh URL after expiry) → ``_body``
(``_gzip``, ``_charset``) → ``_lines``, ``_table`` (rows), ``_json_items``, ``_json_values``, ``_xml`` → ``_batches`` →
the caller.
"""

from spapi_async.workflows.documents._document import Document
from spapi_async.workflows.documents._documents import Documents
from spapi_async.workflows.documents._label import label_bytes

__all__ = ["Document", "Documents", "label_bytes"]

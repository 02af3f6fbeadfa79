"""The documents behind reports, feeds and Data Kiosk: reading them as they come, uploading them.

::

    async with seller.documents.report(report_document_id) as document:
        async for row in document.iter_rows():
            print(row["sku"], row["quantity"])

A document is a file at a presigned URL that works for five minutes and must never see an access token. It may be
gzipped whatever its headers say, in an encoding that has only a Java name, and larger than memory. What is read here
passes through in pieces: URL → ``_download`` (range requests after a break, a fresh URL after expiry) → ``_body``
(``_gzip``, ``_charset``) → ``_lines``, ``_table`` (rows), ``_json_items``, ``_json_values``, ``_xml`` → the caller.
"""

from spapi_async.workflows.documents._document import Document
from spapi_async.workflows.documents._documents import Documents
from spapi_async.workflows.documents._label import label_bytes

__all__ = ["Document", "Documents", "label_bytes"]

"""Generates ``spapi_async/api`` and ``spapi_async/models`` from Amazon's Swagger 2.0 files.

``python -m spapi_async.codegen --models DIR [--legacy DIR] [--check]``. The steps are modules, read in this order:

1. ``document``    JSON becomes frozen values; anything not understood fails with file and JSON path
2. ``usage``, ``plans``, ``restrictions``, ``repeats``, ``paging``, ``conditions``, ``money``, ``overlay``, ``personal``
   facts that the files lack or hide in prose
3. ``names``       Amazon's names become Python's
4. ``types``       schemas become classes; ``legacy`` adds what Amazon has removed
5. ``operations``  operations become ``Operation`` values and method signatures
6. ``emit_models``, ``emit_api``, ``emit_index``  text, formatted as ruff would; ``generate`` runs it all

Amazon's descriptions are Amazon's sentences: none reaches the output. Docstrings are made of facts.
"""

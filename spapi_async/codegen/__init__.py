"""Generates ``spapi_async/api`` and ``spapi_async/models`` from Amazon's Swagger 2.0 files.

``python -m spapi_async.codegen --models DIR [--legacy DIR] [--check] [--keep-going] [--prune]``. The steps are modules,
read in this order:

1. ``document``, ``schemas``, ``nodes``    JSON becomes frozen values; what is unknown fails with file and JSON path
2. ``usage``, ``plans``, ``restrictions``, ``repeats``, ``paging``, ``conditions``, ``money``, ``overlay``,
   ``personal``, ``removals``    facts that the files lack or hide in prose
3. ``names``       Amazon's names become Python's
4. ``types``       schemas become classes; ``legacy`` adds what Amazon has removed
5. ``operations``  operations become ``Operation`` values and method signatures
6. ``emit_models``, ``emit_api`` with ``docstrings``, ``emit_index``    text, formatted as ruff would
7. ``generate``    runs it all; ``output`` decides what is written, and what must not be deleted

Amazon's descriptions are Amazon's sentences: none reaches the output. Docstrings are made of facts.
"""

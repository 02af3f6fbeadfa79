"""Generates ``spapi_async/api`` and ``spapi_async/models`` from Amazon's Swagger 2.0 files.

``python -m spapi_async.codegen --models DIR [--legacy DIR] [--check] [--keep-going] [--prune]``. Each step is one or
more modules:

1. ``document``, ``schemas``, ``nodes``: read JSON into frozen values; anything unknown is an error with its JSON path
2. ``usage``, ``plans``, ``restrictions``, ``repeats``, ``paging``, ``conditions``, ``money``, ``overlay``,
   ``personal``, ``removals``: facts that the files lack or state only in prose
3. ``names``: turns Amazon's names into Python's
4. ``types``: turns schemas into classes; ``legacy`` adds operations that Amazon has removed
5. ``operations``: turns operations into ``Operation`` values and method signatures
6. ``emit_models``, ``emit_api`` with ``docstrings``, ``emit_index``: write source text, formatted like ruff's output
7. ``generate``: runs all steps; ``output``: decides which files to write and which must not be deleted

``json_schema`` and ``notifications`` do the same for the JSON Schemas of notifications.

The descriptions in Amazon's files are Amazon's text, and none of it is copied: docstrings are made from facts.
"""

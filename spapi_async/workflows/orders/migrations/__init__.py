"""Migrations of the order tables from each version to the next, by alembic."""

from spapi_async.workflows.orders.migrations._upgrade import upgrade

__all__ = ["upgrade"]

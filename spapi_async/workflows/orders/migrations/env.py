"""Run by alembic: migrates in the transaction that the database object has opened on its connection."""

from alembic import context

from spapi_async.workflows.orders.migrations._upgrade import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], version_table=VERSION_TABLE, transactional_ddl=False
)
context.run_migrations()

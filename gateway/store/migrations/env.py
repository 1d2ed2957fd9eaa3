"""What alembic runs to migrate: on the connection, and in the transaction, that ``gateway.store.migrations`` opened."""

from alembic import context

from gateway.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a column only by copying its table.
)
with context.begin_transaction():
    context.run_migrations()

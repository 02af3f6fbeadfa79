"""The tables of programs that stored no version: they exist, so there is nothing to do."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Do nothing: databases of this version are only stamped with it."""

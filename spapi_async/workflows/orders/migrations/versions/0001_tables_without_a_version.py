"""The tables of programs that kept no version: nothing to do, they are there."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Nothing: databases of this version are stamped with it."""

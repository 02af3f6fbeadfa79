"""What is said where a package of an extra is missing."""

from __future__ import annotations

import re
import subprocess
import sys

# One process tries them all; SQLAlchemy looks for greenlet only when it is imported, so it is tried first.
WITHOUT = [
    ("greenlet", "from spapi_async.workflows.orders import sync_orders", "sync"),
    ("sqlalchemy", "from spapi_async.workflows.journal import Journal", "sync"),
    ("sqlalchemy", "from spapi_async.workflows.orders import sync_orders", "sync"),
    ("sqlalchemy", "from spapi_async import SellerDirectory as D; D.from_table('sqlite:///x.db')", "sync"),
    ("alembic", "from spapi_async.workflows.orders import sync_orders", "sync"),
    ("aiosqlite", "from spapi_async.workflows.journal import Journal as J; run(J('sqlite://').open())", "sync"),
    ("asyncpg", "from spapi_async.workflows.journal import Journal as J; run(J('postgresql://h').open())", "postgres"),
    ("redis", "from spapi_async.ratelimit import RedisRateLimiter", "redis"),
    ("redis", "from spapi_async.auth import RedisTokenStore", "redis"),
    ("redis", "from spapi_async.fleet import Fleet", "fleet"),
    ("taskiq", "from spapi_async.fleet import Fleet", "fleet"),
    ("cryptography", "from spapi_async.auth import RedisTokenStore", "redis"),
    ("cryptography", "from spapi_async.workflows.orders import PersonalKeys; PersonalKeys.new()", "encryption"),
    ("prometheus_client", "from spapi_async.observe.prometheus import Metrics", "prometheus"),
    ("opentelemetry", "from spapi_async.observe.opentelemetry import Telemetry", "otel"),
]
PROGRAM = """
import sys
from asyncio import run


def modules_of(package):
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == package}


for missing, statement in %r:
    taken = modules_of(missing)
    for name in [*taken, *modules_of("spapi_async")]:
        del sys.modules[name]
    sys.modules[missing] = None
    try:
        exec(statement)
    except Exception as error:
        print(error)
    else:
        print("nothing is missing")
    del sys.modules[missing]
    sys.modules.update(taken)
"""


def test_a_missing_package_is_an_error_that_names_its_extra() -> None:
    """Other packages of the extra may be there, as in a program that uses SQLAlchemy for itself."""
    program = PROGRAM % [(missing, statement) for missing, statement, _ in WITHOUT]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    said = zip(WITHOUT, done.stdout.splitlines(), strict=True)
    assert [
        (missing, statement, line)
        for (missing, statement, extra), line in said
        if not re.search(rf'needs? an extra: pip install "spapi-async\[{extra}\]"$', line)
    ] == []

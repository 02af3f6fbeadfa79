"""What is said where a package of an extra is missing."""

from __future__ import annotations

import re
import subprocess

import warm_python

# One process tries them all.
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
    # SQLAlchemy looks for greenlet only when it is imported.
    packages = [missing, "sqlalchemy"] if missing == "greenlet" else [missing]
    taken = {name: module for package in packages for name, module in modules_of(package).items()}
    for name in [*taken, *modules_of("spapi_async")]:
        del sys.modules[name]
    sys.modules[missing] = None
    try:
        exec(statement)
    except Exception as error:
        print(error)
    else:
        print("nothing is missing")
    for name in [name for package in packages for name in modules_of(package)]:
        del sys.modules[name]
    sys.modules.update(taken)
"""


def test_a_missing_package_is_an_error_that_names_its_extra() -> None:
    """Other packages of the extra may be there, as in a program that uses SQLAlchemy for itself."""
    program = PROGRAM % [(missing, statement) for missing, statement, _ in WITHOUT]
    process = warm_python.start(["-c", program], stdout=subprocess.PIPE)
    output, _ = process.communicate()
    assert process.returncode == 0
    said = zip(WITHOUT, output.decode().splitlines(), strict=True)
    assert [
        (missing, statement, line)
        for (missing, statement, extra), line in said
        if not re.search(rf'needs? an extra: pip install "spapi-async\[{extra}\]"$', line)
    ] == []

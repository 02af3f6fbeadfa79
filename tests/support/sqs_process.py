"""moto's server with two of its costs removed: ``python sqs_process.py PORT``.

For each message that comes or goes, moto counts all messages in the queue several times, and reads a slow clock for
each of them. A queue of a thousand messages would take minutes. The answers are the same.
"""

import sys
import time
from typing import Any

from moto.server import main
from moto.sqs import models


def _milliseconds(_: Any = None) -> float:
    return time.time() * 1000


def _within_retention(*_: Any) -> bool:
    return True  # four days


vars(models)["unix_time_millis"] = _milliseconds
setattr(models.SQSBackend, "is_message_valid_based_on_retention_period", _within_retention)  # noqa: B010

if __name__ == "__main__":
    main(["-H", "127.0.0.1", "-p", sys.argv[1]])

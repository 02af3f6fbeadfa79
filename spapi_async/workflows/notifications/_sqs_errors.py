"""Translates the errors of SQS and botocore into those of this library."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from spapi_async.errors import ConfigurationError, SPAPIError, TransportError

__all__ = ["translated"]

# Error codes for which a retry is useless.
_PERMANENT = re.compile(
    r"NonExistentQueue|QueueDoesNotExist|AccessDenied|Token|Signature|Unrecognized|InvalidAddress|Param"
)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise TransportError for what may pass, ConfigurationError for a wrong queue, credentials or permissions."""
    from botocore import exceptions

    try:
        yield
    except SPAPIError:
        raise
    except exceptions.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        kind = ConfigurationError if _PERMANENT.search(code) else TransportError
        raise kind(f"SQS {error.operation_name}: {code or 'no error code'}") from error
    except (exceptions.HTTPClientError, exceptions.ConnectionError) as error:
        raise TransportError(f"SQS cannot be reached: {type(error).__name__}") from error
    except (exceptions.CredentialRetrievalError, exceptions.MetadataRetrievalError) as error:
        # There are credentials, but whoever issues them does not answer now: a container's agent, or STS.
        raise TransportError(f"the AWS credentials for SQS cannot be fetched: {error}") from error
    except exceptions.BotoCoreError as error:  # no credentials, no region, an argument of the wrong kind
        raise ConfigurationError(f"SQS: {error}") from error
    except (
        Exception
    ) as error:  # what botocore raises for a reply that is not SQS's: ResponseParserError, AttributeError
        raise TransportError(f"the reply of SQS cannot be read: {type(error).__name__}") from error

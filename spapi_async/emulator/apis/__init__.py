"""Operations answered for real, one module for each API version, named as in ``spapi_async.api``."""

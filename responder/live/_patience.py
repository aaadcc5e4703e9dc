"""Steps 1, 2 and 4: how long a gRPC call may take, and what is worth another try. Touches nothing.

The clients' own defaults are of no use here: Security Command Center v2 has neither a timeout nor a retry, and one call
may be several pages. RESOURCE_EXHAUSTED is not tried again within a call: the quota of Cloud Logging is by the minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from google.api_core.exceptions import DeadlineExceeded, InternalServerError, ServiceUnavailable
from google.api_core.retry import Retry

from responder.live._errors import UNDECODED

_PASSING: Final = (ServiceUnavailable, DeadlineExceeded, InternalServerError)
_TRIES: Final = 4
_LEAST: Final = 0.05  # gRPC refuses a timeout of nothing


class Patience:
    """`total` seconds from now for a call with all its pages and tries; `attempt` seconds for each try."""

    def __init__(self, *, total: float, attempt: float) -> None:
        self._end = time.monotonic() + total
        self._attempt = attempt

    @property
    def left(self) -> float:
        """Seconds that are left; never negative."""
        return max(0.0, self._end - time.monotonic())

    def retry(self) -> Retry:
        """Up to four tries of one page. After the last the error itself is raised, which says more than RetryError."""
        tries = 0

        def is_worth_it(error: BaseException) -> bool:
            nonlocal tries
            tries += 1
            is_passing = isinstance(error, _PASSING) and error.message != UNDECODED
            return is_passing and tries < _TRIES and self.left > _LEAST

        return Retry(predicate=is_worth_it, initial=0.2, maximum=2.0, multiplier=2.0, timeout=self.left)

    def timeout(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """A decorator in the manner of google.api_core.timeout: what each try may take of what is left."""

        @wraps(call)
        def with_timeout(*args: Any, **kwargs: Any) -> Any:
            return call(*args, **{**kwargs, "timeout": max(_LEAST, min(self._attempt, self.left))})

        return with_timeout

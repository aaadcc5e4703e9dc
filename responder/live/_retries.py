"""Steps 2 to 4: when a GET over HTTP is sent a second time. Touches nothing.

Google's REST services and the control plane are asked alike: once more where no connection came about or the answer was
503, and no more. A redirect is an answer like any other, which the caller refuses.
"""

from __future__ import annotations

from urllib3.util import Retry


def once_more() -> Retry:
    """A GET may be sent twice, but not for ever; a POST is sent once."""
    return Retry(
        total=None,
        connect=1,
        read=0,
        redirect=False,
        status=1,
        other=0,
        status_forcelist=(503,),
        allowed_methods=("GET",),
        backoff_factor=0.2,
        respect_retry_after_header=False,
        raise_on_status=False,
    )

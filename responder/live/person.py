"""Step 7: who runs the command line, as Google says (https://developers.google.com/identity/openid-connect/reference).

An approval carries an address; it is asked for with the person's own credentials and is no option that can be typed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from responder.errors import Unanswered
from responder.live import _reply
from responder.live._errors import LOGIN, Asking

if TYPE_CHECKING:
    from responder.live.google import Google

_ADDRESS: Final = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")
_TIMEOUT: Final = (3.05, 10.0)  # seconds to connect, seconds between two bytes
_OK: Final = 200
_WHAT: Final = "the e-mail address of whoever runs this"


def email(google: Google) -> str:
    """The verified address of the person or service account behind the Application Default Credentials.

    Unanswered where there are none, they do not tell an address (a login without the scope `userinfo.email`), or the
    address is not verified.
    """
    asking = Asking(_WHAT, mend=LOGIN)
    with asking:
        url = f"{google.base_url('openidconnect')}/v1/userinfo"
        reply = google.person().get(url, timeout=_TIMEOUT, allow_redirects=False)
        if reply.status_code != _OK:
            raise asking.status(reply.status_code)
        document = reply.json()
        if not isinstance(document, dict):
            raise asking.broken("the answer is not a JSON object")
        address, verified = _reply.text(document, "email"), document.get("email_verified")
    if verified is not True or not _ADDRESS.fullmatch(address):
        raise Unanswered("denied", f"{_WHAT}: Google told none that is verified", mend=LOGIN)
    return address

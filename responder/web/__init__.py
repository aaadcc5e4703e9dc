"""The review page: what the security team reads and closes records with. Touches the stores that it is handed.

Nearly every word on it is the attacker's. Four things keep it inert: Jinja2 escapes everything, `render` writes out
what is unseen, links lead only to https addresses and mailboxes, and the browser is told to run and load nothing but
the files of this package (`guard.POLICY`).
"""

from responder.web.app import application
from responder.web.desk import Desk

__all__ = ["Desk", "application"]

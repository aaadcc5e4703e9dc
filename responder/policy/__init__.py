"""Step 7: what each project allows. Pure, and nothing is allowed unless a project is named.

policy.toml is a platform owner's word. Nothing in a cluster or on a project grants or blocks anything: labels and
annotations may be the attacker's. An error names its line and its mend; a file with an error is not in force.
"""

from responder.policy.model import NEEDED, NONE, Exemption, OwnerKind, PerHour, Policy, ProjectPolicy
from responder.policy.reading import MOST_BYTES, parse

__all__ = ["MOST_BYTES", "NEEDED", "NONE", "Exemption", "OwnerKind", "PerHour", "Policy", "ProjectPolicy", "parse"]

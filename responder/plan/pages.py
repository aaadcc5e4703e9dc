"""Step 6: the pages that advise what a plan says. Pure.

The mitigation is the one that ATT&CK gives for T1609: "Remove unnecessary tools and software from containers".
"""

from __future__ import annotations

from typing import Final

INCIDENTS: Final = "https://cloud.google.com/kubernetes-engine/docs/how-to/security-mitigations"
REMOVE_TOOLS: Final = "https://attack.mitre.org/mitigations/M1042/"
STEAL_TOKEN: Final = "https://attack.mitre.org/techniques/T1528/"  # noqa: S105 - a page
EXEC_SESSION: Final = "https://attack.mitre.org/techniques/T1609/"
DEPLOY_CONTAINER: Final = "https://attack.mitre.org/techniques/T1610/"
ESCAPE: Final = "https://attack.mitre.org/techniques/T1611/"
WEB_SHELL: Final = "https://attack.mitre.org/techniques/T1505/003/"
PUBLIC_APPLICATION: Final = "https://attack.mitre.org/techniques/T1190/"

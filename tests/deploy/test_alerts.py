"""Each alert waits for a line that the code writes, and docs/operate.md has its cause and mend."""

from __future__ import annotations

import re

from lab.environment import ROOT

ALERTS = (ROOT / "deploy" / "terraform" / "alerts.tf").read_text(encoding="utf-8")
OPERATE = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")


def lines() -> set[str]:
    """The messages that the alerts name."""
    return set(re.findall(r'jsonPayload\.message=\\"([^"\\]+)', ALERTS))


def titles() -> list[str]:
    """What a person sees of each alert."""
    listed = re.findall(r'^    \w+ += \{ title = "([^"]+)"', ALERTS, flags=re.MULTILINE)
    return listed + re.findall(r'display_name += "\$\{var\.name\}: ([^"$]+)"', ALERTS)


def test_every_line_that_an_alert_waits_for_is_written_somewhere() -> None:
    code = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "responder").rglob("*.py"))
    assert lines() == {"message rejected", "counted", "policy not in force", "brake is on", "swept"}
    assert [text for text in lines() if not re.search(rf'log\.write\("[A-Z]+", "{text}"', code)] == []


def test_each_alert_has_its_cause_and_its_mend() -> None:
    assert len(titles()) == 8
    for title in titles():
        section = OPERATE.partition(f"\n## {title[0].upper()}{title[1:]}\n")[2].partition("\n## ")[0]
        assert "*Cause:*" in section, title
        assert "*Mend:*" in section, title


def test_each_alert_sends_a_person_to_a_heading_that_is_there() -> None:
    sent = re.findall(r'content += "See docs/operate\.md, (.+?)\.[ "]', ALERTS)
    assert sorted(sent) == ["${each.value.title}", "dead letters wait", "findings wait", "sweep is silent"]
    headings = {line.removeprefix("## ").lower() for line in OPERATE.splitlines() if line.startswith("## ")}
    assert set(titles()) | {one for one in sent if "$" not in one} <= headings

"""notices.toml: what is meant is said, what is wrong is refused, and no address is in it or in an error about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from responder.errors import NoticesError
from responder.notices.config import MOST_BYTES, Notices, parse

HEAD = '[[channel]]\nname = "security"\nkind = "slack"\nwebhook = "env:SLACK_SECURITY"\n'
DEPLOY = Path(__file__).parents[2] / "deploy" / "notices.toml"
ADDRESS = "https://hooks.slack.com/services/T0/B0/canary"


def refused(text: str) -> str:
    with pytest.raises(NoticesError) as error:
        parse(text.encode())
    return str(error.value)


def test_a_channel_is_the_teams_unless_it_says_so_and_each_audience_has_its_least_verdict() -> None:
    notices = parse((HEAD + HEAD.replace("security", "owners") + 'audience = "owner"\n').encode())
    team, owners = notices.channel
    assert (team.audience, team.least, owners.audience, owners.least) == ("team", "suspicious", "owner", "malicious")
    assert (notices.digest_hour, notices.write_back) == (7, False)


def test_a_least_verdict_that_is_given_counts() -> None:
    (channel,) = parse((HEAD + 'least_verdict = "benign"\n').encode()).channel
    assert channel.least == "benign"


def test_a_place_in_secret_manager_is_named_with_its_version() -> None:
    place = "secret:projects/acme-sec/secrets/slack-security/versions/latest"
    (channel,) = parse(HEAD.replace("env:SLACK_SECURITY", place).encode()).channel
    assert channel.webhook == place


@pytest.mark.parametrize(
    "place",
    [
        ADDRESS,
        "",
        "env:slack",
        "env:",
        "env:RESPONDER_SLACK",
        "file:/etc/hook",
        "secret:projects/p/secrets/s",
        "secret:projects/p/secrets/s/versions/1/../2",
    ],
)
def test_an_address_or_another_place_is_refused_and_not_repeated(place: str) -> None:
    said = refused(HEAD.replace("env:SLACK_SECURITY", place))
    assert said.startswith("channel.1.webhook: name the place of the address")
    assert len(place) < 5 or place not in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + f'webhok = "{ADDRESS}"\n', "channel.1.webhok: not a key: known are audience, kind,"),
        (HEAD + HEAD, "channel security is named twice"),
        (HEAD + 'audience = "everybody"\n', "channel.1.audience: write one of 'team' or 'owner'"),
        (HEAD + 'owners = ["a@b.test"]\n', 'owners are for a channel with audience = "owner"'),
        (HEAD + "owners = 'a'\n", "channel.1.owners: write a list"),
        ('digest_hour = "7"\n', "digest_hour: write a whole number"),
        ("digest_hour = 24\n", "digest_hour: should be less than or equal to 23"),
        ('write_back = "true"\n', "write_back: write true or false"),
        ('record_page = "http://x.test/{record}"\n', "record_page: write an https:// address"),
        ('record_page = "https://x.test/"\n', "record_page: write an https:// address"),
        ('problem = ""\n', "problem is not a key"),
        ("[[channels]]\n", "channels: not a key: known are channel, digest_hour"),
        (HEAD.replace("security", "Security"), "channel.1.name: write small letters"),
        (HEAD.replace('kind = "slack"\n', ""), "channel.1.kind: add it"),
        ("[[channel]\n", "no TOML"),
        ("a = " + "[" * 5000, "no TOML"),
    ],
)
def test_what_is_wrong_is_named_with_its_mend(text: str, said: str) -> None:
    told = refused(text)
    assert said in told
    assert "canary" not in told


def test_bytes_that_are_no_text_or_too_many_are_refused() -> None:
    with pytest.raises(NoticesError, match="UTF-8"):
        parse(b"\xff\xfe")
    with pytest.raises(NoticesError, match="at most"):
        parse(b"#" * (MOST_BYTES + 1))


def test_the_file_that_ships_tells_nobody_and_its_example_is_right() -> None:
    text = DEPLOY.read_text(encoding="utf-8")
    assert parse(text.encode()) == Notices()
    example = "\n".join(line.removeprefix("# ") for line in text.splitlines()[2:])
    shop = parse(example.encode())
    assert [channel.name for channel in shop.channel] == ["security", "owners", "shop"]
    assert shop.page("0" * 32) == "https://responder.example.com/records/" + "0" * 32

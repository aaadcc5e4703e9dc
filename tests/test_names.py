"""Which words of a finding may be asked for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder import names

GOOD = [
    ("namespace", "kube-system"),
    ("namespace", "a" * 63),
    ("container", "checkout"),
    ("pod", "checkout-7d9f8c5b4-x2k9p"),
    ("pod", "web.example.com-0"),
    ("pod", "0"),
    ("node", "gke-shop-prod-default-pool-7d6bb7c7-0rru"),
    ("uid", "3f1c6c1e-1b1e-4a53-9f0a-2f2d0c9a7b11"),
    ("cluster", "shop-prod"),
    ("location", "europe-west1-b"),
    ("location", "europe-west1"),
    ("location", "northamerica-northeast1-a"),
    ("zone", "us-central1-f"),
    ("instance_id", "5289438569693667937"),
    ("project_id", "acme-shop-prod"),
    ("project_id", "example.com:acme-shop"),
    ("project_number", "421458901689"),
    ("scc_name", "organizations/1/sources/2/locations/global/findings/ab12"),
    ("scc_name", "projects/example.com:acme-shop/sources/2/findings/ab12"),
    ("scc_name", "folders/5/sources/2/findings/AB12"),
    ("absolute_path", "/tmp/.x/k c.c"),
]
BAD = [
    ("namespace", ""),
    ("namespace", "a" * 64),
    ("namespace", "with.dot"),
    ("container", "-checkout"),
    ("pod", "Checkout"),
    ("pod", "checkout\n"),
    ("pod", "a..b"),
    ("pod", "../default"),
    ("pod", "$(id)"),
    ("pod", 'x" OR true'),
    ("pod", "a" * 254),
    ("node", "node/proxy"),
    ("uid", "3f1c6c1e"),
    ("cluster", "1shop"),
    ("cluster", "shop-prod/nodePools/x"),
    ("location", "europe"),
    ("location", "europe-west1-b/../.."),
    ("zone", "europe-west1"),
    ("instance_id", "12a"),
    ("instance_id", "٣"),
    ("project_id", "short"),
    ("project_id", "421458901689"),
    ("project_id", "Acme Shop"),
    ("project_number", "acme-shop-prod"),
    ("scc_name", "organizations/1/sources/2/findings/"),
    ("scc_name", "organizations/1/sources/-/findings/ab"),
    ("scc_name", 'organizations/1/sources/2/findings/ab" OR name:"'),
    ("absolute_path", "tmp/k.c"),
    ("absolute_path", "/tmp/a\nb"),
    ("absolute_path", "/tmp/\x1b[31m"),
]


@pytest.mark.parametrize(("kind", "text"), GOOD)
def test_names_that_their_owner_allows_may_be_asked_for(kind: str, text: str) -> None:
    assert names.is_valid(kind, text)


@pytest.mark.parametrize(("kind", "text"), BAD)
def test_anything_else_may_not(kind: str, text: str) -> None:
    assert not names.is_valid(kind, text)


def test_an_unknown_kind_is_a_mistake_and_not_a_no() -> None:
    with pytest.raises(KeyError):
        names.is_valid("podname", "checkout")


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=40))
def test_no_name_that_is_put_into_a_url_or_a_filter_holds_a_character_of_their_grammar(text: str) -> None:
    for kind in ("namespace", "container", "pod", "node", "cluster", "location", "zone", "instance_id"):
        if names.is_valid(kind, text):
            assert not set(text) - set("abcdefghijklmnopqrstuvwxyz0123456789.-")


def test_a_zone_has_a_letter_and_a_region_has_none() -> None:
    assert names.location_type("europe-west1-b") == "zone"
    assert names.location_type("europe-west1") == "region"

from __future__ import annotations

import pytest

from lungseg.errors import UsageError
from lungseg.serve.settings import ServerSettings

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_this_machine_needs_no_token(host):
    assert ServerSettings(host=host).is_local


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org"])
def test_others_need_one(host):
    with pytest.raises(
        UsageError,
        match="can be reached from other machines, and that needs a token; give one with `token`",
    ):
        ServerSettings(host=host)
    with pytest.raises(
        UsageError,
        match="the token has 15 characters, too few to keep others out; give at least 16",
    ):
        ServerSettings(host=host, token=TOKEN[1:])
    assert not ServerSettings(host=host, token=TOKEN).is_local


@pytest.mark.parametrize(
    ("settings", "places"),
    [
        ({}, 16),
        ({"queue": 5, "host": "0.0.0.0", "token": TOKEN}, 3),
        ({"queue": 1, "host": "0.0.0.0", "token": TOKEN}, 1),
        ({"queue_per_client": 2}, 2),
    ],
)
def test_half_of_the_queue_is_for_others_than_one_address(settings, places):
    assert ServerSettings(**settings).places_per_client == places


@pytest.mark.parametrize(
    ("settings", "places"),
    [
        ({}, 256),
        ({"host": "0.0.0.0", "token": TOKEN}, 128),
        ({"max_connections": 1, "host": "0.0.0.0", "token": TOKEN}, 1),
        ({"connections_per_client": 4}, 4),
    ],
)
def test_half_of_the_connections_are_for_others_than_one_address(settings, places):
    assert ServerSettings(**settings).places_to_connect == places


def test_a_token_is_never_shown():
    assert TOKEN not in repr(ServerSettings(token=TOKEN))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"token": ""}, "the token is empty"),
        ({"token": "two\nlines"}, "characters that a header cannot carry"),
        ({"token": " blank"}, "characters that a header cannot carry"),
        ({"token": "größer"}, "characters that a header cannot carry"),
        ({"port": 65536}, "65536 is not a port"),
        ({"port": -1}, "-1 is not a port"),
        ({"queue_per_client": 0}, "`places_per_client` is a number above 0, not 0"),
        ({"workers": 0}, "`workers` is a number above 0, not 0"),
        ({"max_upload_mb": 0}, "`max_upload_mb` is a number above 0, not 0"),
        ({"retention": float("inf")}, "`retention` is a number above 0, not inf"),
        ({"job_timeout": float("nan")}, "`job_timeout` is a number above 0, not nan"),
    ],
)
def test_what_has_no_meaning_is_refused(settings, words):
    with pytest.raises(UsageError, match=words):
        ServerSettings(**settings)

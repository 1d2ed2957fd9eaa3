"""A secret shows itself only to who says ``reveal``."""

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from gateway.contract.auth import AccessToken, Grant
from gateway.contract.errors import Problem
from gateway.contract.exact import dumps
from gateway.contract.secret import Secret
from tests.house import START

CANARY = "canary-4f1d"
SECRET = Secret(CANARY)


@dataclass
class Holder:
    token: Secret


@pytest.mark.parametrize(
    "shown",
    [
        str(SECRET),
        repr(SECRET),
        f"{SECRET}",
        f"{SECRET!r} {SECRET!s} {SECRET!a}",
        "%s %r" % (SECRET, SECRET),  # noqa: UP031  # the way of logging's own formatting
        "{0}".format(SECRET),  # noqa: UP030, UP032  # a way of its own
        repr([SECRET]),
        repr({"token": SECRET}),
        repr(Holder(SECRET)),
        repr(AccessToken(SECRET, refresh_token=SECRET)),
        repr(Grant({"password": SECRET}, {"key": SECRET}, None, START)),
        repr(SECRET.reveal).replace(repr(SECRET), ""),
    ],
)
def test_a_secret_is_not_printed(shown: str) -> None:
    assert CANARY not in shown


def test_a_secret_gives_itself_to_who_asks() -> None:
    assert SECRET.reveal() == CANARY


@pytest.mark.parametrize("write", [pickle.dumps, copy.deepcopy, json.dumps, dumps])
def test_a_secret_is_not_written(write: Callable[[object], object]) -> None:
    with pytest.raises(TypeError) as raised:
        write(SECRET)
    assert CANARY not in str(raised.value)


def test_a_secret_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").warning("token %s", SECRET, extra={"token": SECRET})
    assert CANARY not in caplog.text
    assert CANARY not in repr(vars(caplog.records[0]))


def test_a_traceback_does_not_tell_it() -> None:
    def failing(secret: Secret) -> None:
        raise Problem("internal_error", f"with {secret}")

    try:
        failing(SECRET)
    except Problem as problem:
        told = "".join(traceback.TracebackException.from_exception(problem, capture_locals=True).format())
        assert "***" in told
        assert CANARY not in told


def test_secrets_are_compared_by_what_they_hide() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("é") == Secret("é")


def test_an_empty_secret_is_false() -> None:
    assert not Secret("")
    assert Secret(" ")

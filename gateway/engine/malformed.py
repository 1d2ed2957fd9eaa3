"""Answers of a system that make no sense, or that would be taken for something else: told as what they are."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.contract.errors import Problem, malformed

_TRIPPED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


@contextmanager
def errors_as_malformed() -> Iterator[None]:
    """Whatever an adapter trips over in a reply says that the reply makes no sense: ``upstream_malformed``."""
    try:
        yield
    except _TRIPPED as error:
        raise malformed("The accounting system's answer is not what its documentation promises.") from error


@contextmanager
def missing_as_malformed() -> Iterator[None]:
    """A list, and the administration itself, is there: a system that says it is not makes no sense.

    To pass that on would say to the caller that there is no such connection of his.
    """
    try:
        yield
    except Problem as problem:
        if not _is_missed(problem):
            raise
        detail = f"The accounting system has no answer where one always is: {problem.detail}"
        raise Problem("upstream_malformed", detail, upstream=problem.upstream) from problem


@contextmanager
def missing_as_rejected() -> Iterator[None]:
    """What is to be made is not there yet: a system that misses something then misses what the draft names.

    To pass that on would say to the caller that there is no such connection of his.
    """
    try:
        yield
    except Problem as problem:
        if not _is_missed(problem):
            raise
        raise Problem("upstream_rejected", problem.detail, problem.errors, problem.upstream) from problem


def _is_missed(problem: Problem) -> bool:
    """Whether the system itself says that something is not there."""
    return problem.code == "not_found" and problem.upstream is not None

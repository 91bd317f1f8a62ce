"""What a caller may demand of a thing as it is, before it is changed."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

Precondition = Callable[[T], None]
"""Is given the thing under the lock that its writers take turns for, before anything is written.

It raises `config.exceptions.PreconditionFailed` if the thing is not what the caller had in mind.
"""


def no_precondition(thing: object) -> None:
    """For a caller to whom it is all the same what is there now."""

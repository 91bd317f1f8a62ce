"""Who acts: a person, or a service by its key."""

from dataclasses import dataclass
from typing import ClassVar

from accounts.models import ServiceKey, User


@dataclass(frozen=True)
class ServicePrincipal:
    """A key that belongs to nobody. It reads what a workspace shares, and nothing in private mode."""

    key: ServiceKey

    pk: ClassVar[None] = None
    is_authenticated: ClassVar[bool] = True
    is_active: ClassVar[bool] = True
    is_operator: ClassVar[bool] = False


Principal = User | ServicePrincipal


def principal_of(key: ServiceKey) -> Principal:
    """Whom a key stands for: a member, even if it is an operator's."""
    if key.user is None:
        return ServicePrincipal(key)
    key.user.__dict__["is_operator"] = False  # the value that `cached_property` would keep
    return key.user

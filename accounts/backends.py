from typing import Any

from django.contrib.auth.backends import ModelBackend

from accounts.models import User


class Backend(ModelBackend):
    """Django's groups and permissions, and: an operator may do everything. Nobody signs in with a password here."""

    def authenticate(self, request: Any, username: str | None = None, password: str | None = None, **_: Any) -> None:
        return None

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        return self._is_operator(user_obj) or super().has_perm(user_obj, perm, obj)

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        return self._is_operator(user_obj) or super().has_module_perms(user_obj, app_label)

    @staticmethod
    def _is_operator(user: Any) -> bool:
        return isinstance(user, User) and user.is_active and user.is_operator

"""The session engine (`SESSION_ENGINE`): Django's database sessions on `user_sessions`, with hashed keys."""

import hashlib
from datetime import timedelta
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User, UserSession

USE_IS_NOTED_EVERY = timedelta(minutes=1)


def digest(key: str | None) -> str:
    return hashlib.sha256((key or "").encode()).hexdigest()


class SessionStore(DatabaseStore):
    """Knows the key from the cookie; the table knows only its digest, and whose session it is.

    `owner` is the signed-in user, read together with the session, once that was loaded.
    """

    owner: User | None = None

    @classmethod
    def get_model_class(cls) -> type[UserSession]:
        return UserSession

    def _get_session_from_db(self) -> UserSession | None:
        now = timezone.now()
        rows = UserSession.objects.select_related("user").filter(expire_date__gt=now)
        row = rows.filter(session_key=digest(self.session_key)).first()
        if row is None:
            self._session_key = None
            return None
        self.owner = row.user
        self._note_use(row)
        return row

    @staticmethod
    def _note_use(row: UserSession) -> None:
        """Writes the time of a signed-in session's last use, once a minute."""
        now = timezone.now()
        if row.user_id and (row.last_used_at is None or now - row.last_used_at >= USE_IS_NOTED_EVERY):
            UserSession.objects.filter(pk=row.pk).update(last_used_at=now)

    def exists(self, session_key: str | None = None) -> bool:
        return UserSession.objects.filter(session_key=digest(session_key)).exists()

    def save(self, must_create: bool = False) -> None:
        if self.session_key is None:
            self.create()
            return
        data = self._get_session(no_load=must_create)  # type: ignore[attr-defined]
        key, values = digest(self.session_key), self._row(data)
        if not must_create:
            del values["expire_date"]  # a session ends when it was made to end, however much it is used
            if not UserSession.objects.filter(session_key=key).update(**values):
                raise UpdateError
            return
        try:
            with transaction.atomic():
                UserSession.objects.create(session_key=key, **values)
        except IntegrityError as error:
            raise CreateError from error

    def _row(self, data: dict[str, Any]) -> dict[str, Any]:
        user_id = data.get(SESSION_KEY)
        return {
            "session_data": self.encode(data),
            "expire_date": self.get_expiry_date(),
            "user_id": int(user_id) if user_id else None,
        }

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key:
            UserSession.objects.filter(session_key=digest(key)).delete()

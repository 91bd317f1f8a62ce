"""People, how they are signed in, and the keys of services."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, Group, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.base_session import AbstractBaseSession, BaseSessionManager
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.functional import cached_property

MEMBER, OPERATOR = "Member", "Operator"
SCOPES = {
    "conversations:read": "see conversations, drafts, chats, runs and the models there are",
    "conversations:import": "import conversations",
    "conversations:write": "change conversations and drafts, chat, start and stop runs",
    "search:read": "search",
    "projects:create": "create Linear projects",
    "import:slack": "import conversations for Slack",
}
"""What a service key may be allowed to do."""
READ_SCOPES = ["conversations:read", "search:read"]
"""Those of a key that belongs to nobody: what is written is somebody's."""


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)

    def get_or_make(self, email: str) -> "User":
        """The user with this address in whatever case, made as a member if there is none."""
        email = self.normalize_email(email.strip()).lower()
        user, created = self.get_or_create(email=email, defaults={"name": email.partition("@")[0]})
        if created:
            user.groups.add(Group.objects.get(name=MEMBER))
        return user


class User(AbstractBaseUser, PermissionsMixin):
    """A person. Nobody has a password: they come by Google or by a link made on the server."""

    password = None  # type: ignore[assignment]
    google_id = models.TextField(unique=True, null=True, blank=True, help_text="Google's `sub`; empty if made locally.")
    email = models.EmailField(unique=True)
    name = models.TextField()
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        db_table = "users"
        constraints = [models.UniqueConstraint(Lower("email"), name="users_email_lower_key")]

    def __str__(self) -> str:
        return self.email

    @cached_property
    def is_operator(self) -> bool:
        return self.is_superuser or self.groups.filter(name=OPERATOR).exists()

    @property
    def is_staff(self) -> bool:
        """Whether the admin lets this person in: operators, and nobody else."""
        return self.is_operator

    def clean(self) -> None:
        super().clean()
        self.email = self.email.lower()

    def has_usable_password(self) -> bool:
        return False

    def get_full_name(self) -> str:
        return self.name

    def get_session_auth_hash(self) -> str:
        return salted_hmac("accounts.User.session", str(self.pk), algorithm="sha256").hexdigest()


class UserSession(AbstractBaseSession):
    """A browser that is, or was, signed in. The database holds only the SHA-256 of what the cookie says."""

    id = models.BigAutoField(primary_key=True)
    session_key = models.CharField(max_length=64, unique=True, db_column="session_token")
    expire_date = models.DateTimeField(db_index=True, db_column="expires_at")
    user = models.ForeignKey(User, models.CASCADE, null=True, related_name="sessions")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, help_text="To the minute.")
    user_agent = models.CharField(max_length=300, blank=True, db_default="", default="")
    address = models.CharField(
        max_length=64, blank=True, db_default="", default="", help_text="Where the sign-in came from."
    )

    objects: ClassVar[BaseSessionManager["UserSession"]] = BaseSessionManager()  # type: ignore[assignment]

    class Meta:
        db_table = "user_sessions"

    def __str__(self) -> str:
        return f"Session {self.pk}"  # the base class would show the key

    @classmethod
    def get_session_store_class(cls) -> Any:
        from accounts.sessions import SessionStore

        return SessionStore


class LoginLink(models.Model):
    """A way in that works once, for whoever has a shell on the server. Only the SHA-256 of the link's token is kept."""

    user = models.ForeignKey(User, models.CASCADE, related_name="login_links")
    token_hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "login_links"


class ServiceKey(models.Model):
    """What a program shows instead of a session. `prefix` finds the row; the key itself is kept only as a SHA-256."""

    service_name = models.TextField()
    prefix = models.CharField(max_length=16, unique=True)
    api_key_hash = models.CharField(max_length=64)
    scopes = ArrayField(models.CharField(max_length=40), default=list)
    user = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="service_keys")
    may_name = models.ManyToManyField(
        User, blank=True, related_name="+", help_text="Under whom it may import beside its own user."
    )
    is_active = models.BooleanField(default=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "service_keys"
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False) | Q(scopes__contained_by=READ_SCOPES),
                name="service_keys_writes_as_user",
            )
        ]
        indexes = [models.Index(fields=["service_name"], name="service_keys_name")]

    def __str__(self) -> str:
        return f"{self.service_name} ({self.prefix}…)"

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def state(self) -> str:
        """`live`, or why it is not: `revoked`, `expired`, `deactivated` (the person it belongs to)."""
        if not self.is_active:
            return "revoked"
        if self.is_expired:
            return "expired"
        return "live" if self.user is None or self.user.is_active else "deactivated"


class AuditEvent(models.Model):
    """Who did what that matters for security; the database refuses to change or delete a row.

    `action` is `<thing>.<what was done>`, `resource` names the thing. `actor` is how the person or key was called then;
    empty if nobody had signed in, `server` for a command. `before` and `after` hold what of a configuration changed.
    """

    class Outcome(models.TextChoices):
        DONE = "done"
        REFUSED = "refused"

    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    action = models.CharField(max_length=60, db_index=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.DONE)
    actor = models.TextField(blank=True)
    user = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    service_key = models.ForeignKey(ServiceKey, models.PROTECT, null=True, related_name="+")
    resource = models.TextField(blank=True)
    address = models.CharField(max_length=45, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    before = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    after = models.JSONField(null=True, encoder=DjangoJSONEncoder)

    class Meta:
        db_table = "audit_events"

    def __str__(self) -> str:
        return f"{self.action} {self.outcome}"


class IdempotencyRecord(models.Model):
    """What came of a request with an `Idempotency-Key`; kept for a day."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    request_hash = models.CharField(max_length=64)
    outcome = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        db_table = "idempotency_records"
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_records_user_key")]

    def __str__(self) -> str:
        return f"{self.key} ({self.user_id})"

"""What is there to be found, changed and deleted while the API is fuzzed: people, and one conversation with all that
belongs to it after the other."""

from contextlib import suppress
from random import Random
from typing import Any, NamedTuple

from django.contrib.auth.models import Permission
from django.db import transaction

from accounts import keys
from accounts.models import SCOPES, User, UserSession
from accounts.services import get_or_make_user, issue_login_link, open_session
from accounts.sessions import digest
from config.tests.making import make_archive, make_conversation, make_draft, make_file, make_turn
from config.tests.stack import Member, chat_path, said
from conversations.models import Conversation, ImportedSummary, Run
from drafts.models import Project, ProjectDraft
from llmconfig.models import PROMPTED

ANSWERED, WAITING, FAILED, CREATED, DELETED = "answered", "waiting", "failed", "created", "deleted"
POOL = {ANSWERED: 6, FAILED: 4, WAITING: 3, CREATED: 2, DELETED: 2}
"""How many scenes of each kind there are at the same time."""
LIFE = 100  # requests; what has been deleted, locked or filled by then makes room for something new


class Caller(NamedTuple):
    """`user` is None for nobody; `has_key` says that a service key of the user asks."""

    user: User | None
    has_key: bool = False


class Scene:
    """A conversation of `owner`, in the state that `kind` names, with the ids of the versions of its draft. `ids` are
    the parameters of paths that lead to it."""

    def __init__(self, owner: User, kind: str, ids: dict[str, Any], versions: list[int]) -> None:
        self.owner, self.kind, self.ids, self.versions = owner, kind, ids, versions
        self.left = LIFE


class World:
    """Two members, an operator and the members' keys; `scene` is made anew when it has been used for a while."""

    def __init__(self, name: str, random: Random, url: str) -> None:
        self._random, self._url = random, url
        self._alice, self._bob = (get_or_make_user(email=f"{who}.{name}@example.org") for who in ("alice", "bob"))
        self._olivia = get_or_make_user(email=f"olivia.{name}@example.org", operator=True)
        self._alice.user_permissions.set(Permission.objects.filter(content_type__app_label="llmconfig"))
        members = [self._alice, self._bob]
        self._keys = {
            user.pk: keys.create(service_name=f"{user.name}", scopes=SCOPES, user=user, may_name=members)
            for user in members
        }
        self._cookies: dict[int, str] = {}
        self._scenes: dict[str, list[Scene]] = {kind: [] for kind in POOL}

    # ── Who asks ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def caller(self, owner: User, *, needed: str = "") -> Caller:
        """Mostly `owner`, sometimes anybody else; mostly what is `needed`, an `operator` or a `key`."""
        dice = self._random.random()
        if needed == "operator" and dice < 0.8:
            return Caller(self._olivia)
        if dice > 0.85 or (needed == "key" and dice < 0.8):
            return Caller(owner, has_key=True)
        if dice < 0.7:
            return Caller(owner)
        return Caller(self._random.choice([None, self._alice, self._bob, self._olivia, self._olivia]))

    def somebody(self) -> User:
        return self._random.choice([self._alice, self._bob])

    def headers_of(self, caller: Caller) -> dict[str, str]:
        """What says who asks."""
        if caller.user is None:
            return {}
        if caller.has_key:
            return {"X-API-Key": self._keys[caller.user.pk]}
        return {"Cookie": f"session_token={self._cookie_of(caller.user)}"}

    def sign_in_again(self, caller: Caller) -> None:
        """After this person's session may have been ended."""
        if caller.user:
            self._cookies.pop(caller.user.pk, None)

    def _cookie_of(self, user: User) -> str:
        if user.pk not in self._cookies:
            self._cookies[user.pk] = open_session(user=user)
        return self._cookies[user.pk]

    # ── What is asked about ───────────────────────────────────────────────────────────────────────────────────────────

    def scene(self, *, kind: str = "") -> Scene:
        """One of this kind, else any whose conversation is there; an old one is replaced first."""
        kind = kind or self._random.choice(
            [kind for kind, count in POOL.items() for _ in range(count) if kind != DELETED]
        )
        scenes = [scene for scene in self._scenes[kind] if scene.left > 0]
        scenes += [self._make(kind) for _ in range(POOL[kind] - len(scenes))]
        self._scenes[kind] = scenes
        scene = self._random.choice(scenes)
        scene.left -= 1
        return scene

    def fresh(self, name: str, scene: Scene) -> Any:
        """The value of a parameter that works once only."""
        if name == "token":
            return issue_login_link(user=scene.owner)
        session = open_session(user=scene.owner)
        return UserSession.objects.values_list("pk", flat=True).get(session_key=digest(session))

    def _make(self, kind: str) -> Scene:
        owner = self.somebody()
        with transaction.atomic():
            conversation = make_conversation(owner, f"A lighthouse {self._random.randrange(10**9)}")
            draft = make_draft(conversation, "One", "Two")
            ImportedSummary.objects.create(conversation=conversation, summary="A lighthouse is to be built.")
            run = self._turn(draft, kind)
            ids = self._ids(owner, conversation, draft) | {"run_id": str(run.pk)}
        member = Member(self._url, self._cookie_of(owner))
        if kind == WAITING:
            ids["run_id"] = _asked(member, conversation.pk) or ids["run_id"]
        if kind == DELETED:
            member.http.delete(f"/api/conversations/{conversation.pk}")
        return Scene(owner, kind, ids, list(draft.versions.values_list("pk", flat=True)))

    @staticmethod
    def _turn(draft: ProjectDraft, kind: str) -> Run:
        run = make_turn(draft, "Is a lamp needed?", "It is.", event_seq=5, partial="It is.")
        if kind == FAILED:
            run = make_turn(draft, "Which one?", state=Run.State.FAILED, error_code="provider_unavailable")
        if kind == CREATED:
            conversation = draft.conversation
            Project.objects.create(
                conversation=conversation,
                linear_project_id=str(run.pk),
                title="One",
                description="A lamp.",
                linear_url="https://linear.example/one",
                created_by_user=conversation.imported_by_user,
            )
            Conversation.objects.filter(pk=conversation.pk).update(is_locked=True)
        return run

    def _ids(self, owner: User, conversation: Conversation, draft: ProjectDraft) -> dict[str, Any]:
        return {
            "conversation_id": conversation.pk,
            "version_id": draft.versions.earliest("version_number").pk,
            "file_id": make_file(conversation).pk,
            "import_id": str(make_archive(owner, "One", "Two").pk),
            "prompt_type": self._random.choice(PROMPTED).value,
            "version": self._random.choice([0, 0, 1]),
        }


def _asked(member: Member, conversation: int) -> str:
    """The run of a turn in which the model asks for a project and waits for an answer; empty if it fails."""
    question = said("Please create the project")
    with suppress(StopIteration), member.opened("POST", chat_path(conversation), json=question) as (response, events):
        while next(events)["type"] != "approval_required":
            pass
        return response.headers["x-run-id"]
    return ""

import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.services import get_or_make_user
from config.exceptions import DraftloomError
from config.limits import IMPORT_BYTES
from conversations.models import Run
from drafts.import_flow import start_import
from drafts.models import DraftVersion
from integrations.importers import child

POLL_SECONDS = 0.2


class Command(BaseCommand):
    help = "Imports the chat in the file PATH for a member, drafts a project from it, and waits until that is done."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path)
        parser.add_argument("--user", required=True, help="e-mail address of the member")
        parser.add_argument("--provider", default="", help="with --model: what writes the draft; else the default")
        parser.add_argument("--model", default="")
        parser.add_argument("--wait", type=float, default=600.0, help="seconds to wait for the draft")

    def handle(self, *args: Any, path: Path, user: str, wait: float, **options: Any) -> None:
        try:
            run = start_import(
                user=get_or_make_user(email=user),
                chat=child.parse(read(path), path.name),
                duplicate_resolution="create_new",
                accept_summarization=True,
                llm_provider=options["provider"],
                llm_model=options["model"],
            )
        except DraftloomError as error:
            raise CommandError(error.detail) from error
        run = self._followed(run, time.monotonic() + wait)
        if run.state != Run.State.DONE:
            raise CommandError(f"{run.state}: {run.result.get('message', 'no draft was written')}")
        title = DraftVersion.objects.get(pk=run.result["version_id"]).title
        self.stdout.write(f"Conversation {run.conversation_id}: {title}")

    def _followed(self, run: Run, deadline: float) -> Run:
        while run.is_active:
            if time.monotonic() > deadline:
                raise CommandError(
                    f"Run {run.id} is still {run.state}; it goes on by itself. Is a runner up (`make run`)?"
                )
            time.sleep(POLL_SECONDS)
            run.refresh_from_db()
        return run


def read(path: Path) -> bytes:
    try:
        if path.stat().st_size > IMPORT_BYTES:
            raise CommandError(f"{path} is larger than {IMPORT_BYTES // 1024 // 1024} MiB.")
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error.strerror}.") from error

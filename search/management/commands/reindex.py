from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations.models import Conversation
from integrations.llm.errors import NotConfigured
from search import embedding, outbox, reindexing
from search.management.progress import ProgressBar
from search.models import SourceType
from search.outbox import EVERYTHING, Scope


class Command(BaseCommand):
    help = (
        "Compares the index with what there is and makes good what differs. It may be killed and called again, and "
        "disturbs nobody. With --model, it changes the model; search goes on with the old one until all is there."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--conversation", type=int, metavar="N", help="only this one")
        parser.add_argument("--source-type", choices=SourceType.values, help="only text of this kind")
        parser.add_argument("--model", default="", help="what search is to use from now on: offline, openai/<model>")
        parser.add_argument("--dry-run", action="store_true", help="only tell what would change")

    def handle(self, *args: Any, **options: Any) -> None:
        scope = Scope(options["conversation"], options["source_type"])
        if scope.conversation_id is not None and not Conversation.objects.filter(pk=scope.conversation_id).exists():
            raise CommandError(f"There is no conversation {scope.conversation_id}.")
        model = self._model(options["model"], scope)
        if options["dry_run"]:
            self._preview(scope, model)
        elif model and model != embedding.active_model().name:
            self._change_model(model)
        else:
            if model:
                embedding.stop_building()
            self._reindex(scope)

    def _model(self, given: str, scope: Scope) -> str:
        if not given:
            return ""
        if scope != EVERYTHING:
            raise CommandError("A model is changed for everything: leave --conversation and --source-type out.")
        try:
            return reindexing.full_name(given)
        except NotConfigured as error:
            raise CommandError(error.message) from None

    def _preview(self, scope: Scope, model: str) -> None:
        sources = outbox.sources(scope)
        bar, found = ProgressBar(self.stdout, "sources"), reindexing.Preview()
        for found in reindexing.preview(sources, model):
            bar.show(found.sources, len(sources))
        bar.end()
        self.stdout.write(
            f"Nothing was changed. {found.new:,} chunks would be added, {found.gone:,} deleted; {found.bare:,} have no "
            "vector yet."
        )

    def _reindex(self, scope: Scope) -> None:
        left, is_rest = reindexing.begin(scope)
        if is_rest:
            self.stdout.write(f"Going on with {left:,} sources that an earlier call left.")
        self._work(scope)

    def _change_model(self, model: str) -> None:
        self.stdout.write(f"Indexing for {model}; search uses {embedding.active_model().name} until it is done.")
        embedding.build(model)
        self._work(EVERYTHING)
        if not reindexing.wait_for_switch(model):
            raise CommandError(
                f"Some texts have no vector of {model} yet. Workers go on, and search changes by itself."
            )
        self.stdout.write(f"Search uses {model}. Deleting what the index has of the old model.")
        reindexing.purge()

    def _work(self, scope: Scope) -> None:
        bar, last = ProgressBar(self.stdout, "sources"), reindexing.Progress(0, 0)
        for last in reindexing.run(scope):
            bar.show(last.done, last.total)
        bar.end()
        if last.stuck:
            raise CommandError(
                f"{last.stuck:,} sources could not be finished, mostly because the embedding model does not answer: "
                "what they say is found by its words. The workers go on trying; the log says why."
            )
        self.stdout.write(f"The index is right: {last.total:,} sources.")

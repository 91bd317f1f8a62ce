from typing import Any

from django.apps import AppConfig


class DraftsConfig(AppConfig):
    name = "drafts"

    def ready(self) -> None:
        from django.db.models.signals import pre_delete

        from conversations.models import Conversation
        from conversations.runs import register
        from conversations.signals import before_hiding
        from drafts.bulk import BulkHandler
        from drafts.generation import GenerateHandler
        from drafts.import_flow import ImportHandler
        from drafts.trials import TrialHandler

        register("import", ImportHandler())
        register("generate", GenerateHandler())
        register("bulk", BulkHandler())
        register("trial", TrialHandler())
        # By signals, since conversations know nothing of drafts, and every way of deleting one has to pass here.
        for signal in (before_hiding, pre_delete):
            signal.connect(_before_deletion, sender=Conversation)


def _before_deletion(instance: Any, **_: Any) -> None:
    from drafts.projects import refuse_deletion

    refuse_deletion(instance)

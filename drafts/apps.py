from django.apps import AppConfig


class DraftsConfig(AppConfig):
    name = "drafts"

    def ready(self) -> None:
        from conversations.runs import register
        from drafts.bulk import BulkHandler
        from drafts.generation import GenerateHandler
        from drafts.import_flow import ImportHandler

        register("import", ImportHandler())
        register("generate", GenerateHandler())
        register("bulk", BulkHandler())

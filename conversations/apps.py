from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    name = "conversations"

    def ready(self) -> None:
        from conversations import summaries
        from conversations.runs import register
        from conversations.summary_runs import ImportedChat, SummaryHandler

        register("summary", SummaryHandler())
        summaries.register("imported", ImportedChat())

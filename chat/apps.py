from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"

    def ready(self) -> None:
        from chat import receivers  # noqa: F401 - they register themselves
        from chat.summarising import Chat
        from chat.turns import ChatTurnHandler
        from conversations import summaries
        from conversations.runs import register

        register("chat_turn", ChatTurnHandler())
        summaries.register("chat", Chat())

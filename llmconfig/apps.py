from django.apps import AppConfig


class LlmconfigConfig(AppConfig):
    name = "llmconfig"
    verbose_name = "Language models"

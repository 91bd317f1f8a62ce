from django.urls import path

from llmconfig.views import LLMDefaultViewSet, LLMPromptViewSet

urlpatterns = [
    path("llm-defaults/providers", LLMDefaultViewSet.as_view({"get": "providers"})),
    path("llm-defaults/<str:prompt_type>", LLMDefaultViewSet.as_view({"get": "retrieve", "put": "update"})),
    path(
        "llm-prompts/<str:prompt_type>",
        LLMPromptViewSet.as_view({"get": "retrieve", "post": "create", "delete": "destroy"}),
    ),
    path("llm-prompts/<str:prompt_type>/default", LLMPromptViewSet.as_view({"get": "built_in"})),
    path("llm-prompts/<str:prompt_type>/versions", LLMPromptViewSet.as_view({"get": "versions"})),
    path(
        "llm-prompts/<str:prompt_type>/versions/<str:version>/activate", LLMPromptViewSet.as_view({"post": "activate"})
    ),
]

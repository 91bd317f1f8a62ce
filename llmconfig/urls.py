from django.urls import path

from llmconfig.views import LLMDefaultViewSet

urlpatterns = [
    path("llm-defaults/providers", LLMDefaultViewSet.as_view({"get": "providers"})),
    path("llm-defaults/<str:prompt_type>", LLMDefaultViewSet.as_view({"get": "retrieve"})),
]

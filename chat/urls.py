from django.urls import path

from chat.views import ChatViewSet, RunDecisionViewSet

chat = "conversations/<str:conversation_id>/project-draft/chat"
urlpatterns = [
    path(chat, ChatViewSet.as_view({"get": "list"})),
    path(f"{chat}/stream", ChatViewSet.as_view({"post": "stream"})),
    path(f"{chat}/regenerate", ChatViewSet.as_view({"post": "regenerate"})),
    path("runs/<str:run_id>/approve", RunDecisionViewSet.as_view({"post": "approve"})),
    path("runs/<str:run_id>/retry", RunDecisionViewSet.as_view({"post": "retry"})),
]

from django.urls import path

from conversations.views import ConversationViewSet, RunViewSet

one = "conversations/<str:conversation_id>"
urlpatterns = [
    path("conversations", ConversationViewSet.as_view({"get": "list"})),
    path(one, ConversationViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"})),
    path(f"{one}/restore", ConversationViewSet.as_view({"post": "restore"})),
    path(f"{one}/imported_chat_summary", ConversationViewSet.as_view({"get": "imported_chat_summary"})),
    path(f"{one}/summary", ConversationViewSet.as_view({"patch": "summary"})),
    path(f"{one}/runs", ConversationViewSet.as_view({"get": "runs"})),
    path(f"{one}/usage", ConversationViewSet.as_view({"get": "usage"})),
    path("runs", RunViewSet.as_view({"get": "list"})),
    path("runs/<str:run_id>", RunViewSet.as_view({"get": "retrieve"})),
    path("runs/<str:run_id>/events", RunViewSet.as_view({"get": "events"})),
    path("runs/<str:run_id>/cancel", RunViewSet.as_view({"post": "cancel"})),
]

from django.urls import path

from chat.file_views import ConversationFilesViewSet, FileViewSet
from chat.views import ChatViewSet, RunDecisionViewSet

chat = "conversations/<str:conversation_id>/project-draft/chat"
one_file = "conversations/files/<str:file_id>"
urlpatterns = [
    path(one_file, FileViewSet.as_view({"delete": "destroy"})),
    path(f"{one_file}/download", FileViewSet.as_view({"get": "download"})),
    path(f"{one_file}/extract", FileViewSet.as_view({"post": "extract"})),
    path(f"{one_file}/thumbnail", FileViewSet.as_view({"get": "thumbnail"})),
    path(
        "conversations/<str:conversation_id>/files", ConversationFilesViewSet.as_view({"get": "list", "post": "upload"})
    ),
    path(chat, ChatViewSet.as_view({"get": "list"})),
    path(f"{chat}/stream", ChatViewSet.as_view({"post": "stream"})),
    path(f"{chat}/regenerate", ChatViewSet.as_view({"post": "regenerate"})),
    path("runs/<str:run_id>/approve", RunDecisionViewSet.as_view({"post": "approve"})),
    path("runs/<str:run_id>/retry", RunDecisionViewSet.as_view({"post": "retry"})),
]

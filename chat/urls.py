from django.urls import path

from chat.views import ChatViewSet

chat = "conversations/<str:conversation_id>/project-draft/chat"
urlpatterns = [
    path(chat, ChatViewSet.as_view({"get": "list"})),
    path(f"{chat}/stream", ChatViewSet.as_view({"post": "stream"})),
]

from django.urls import path

from drafts.archive_views import ArchiveViewSet
from drafts.version_views import ProjectDraftVersionViewSet
from drafts.views import ImportFileViewSet, ImportViewSet, ProjectDraftViewSet, ProjectViewSet, SlackImportViewSet

draft = "conversations/<str:conversation_id>/project-draft"
urlpatterns = [
    path("conversations/import", ImportViewSet.as_view({"post": "link"})),
    path("conversations/import-file", ImportFileViewSet.as_view({"post": "file"})),
    path("conversations/import-slack", SlackImportViewSet.as_view({"post": "create"})),
    path("imports", ArchiveViewSet.as_view({"get": "list", "post": "create"})),
    path("imports/<str:import_id>", ArchiveViewSet.as_view({"get": "retrieve", "delete": "destroy"})),
    path("imports/<str:import_id>/start", ArchiveViewSet.as_view({"post": "start"})),
    path("conversations/<str:conversation_id>/project", ProjectViewSet.as_view({"get": "retrieve", "post": "create"})),
    path(draft, ProjectDraftViewSet.as_view({"get": "retrieve", "patch": "partial_update"})),
    path(f"{draft}/versions", ProjectDraftViewSet.as_view({"get": "versions"})),
    path(f"{draft}/versions/compare", ProjectDraftVersionViewSet.as_view({"get": "compare"})),
    path(f"{draft}.md", ProjectDraftVersionViewSet.as_view({"get": "markdown"})),
    path(f"{draft}/versions/<str:version_id>/activate", ProjectDraftViewSet.as_view({"post": "activate"})),
    path(f"{draft}/generate", ProjectDraftViewSet.as_view({"post": "generate"})),
]

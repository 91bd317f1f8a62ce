"""The back office of search: the models of the index, how full it is, and where their meanings end."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.admin import LeanAdmin, record_change
from search.models import EmbeddingModel, SearchChunk


@admin.register(EmbeddingModel)
class EmbeddingModelAdmin(LeanAdmin):
    """`max_distance` is an operator's to set. Which model is used, `manage.py reindex --model` decides."""

    list_display = ["name", "state", "max_distance", "created_at"]
    ordering = ["state", "name"]
    fields = ["name", "state", "max_distance", "chunks", "without_vector", "created_at", "building_since"]
    readonly_fields = ["name", "state", "chunks", "without_vector", "created_at", "building_since"]

    @admin.display(description="chunks in the index")
    def chunks(self, model: EmbeddingModel) -> int:
        return SearchChunk.objects.filter(embedding_model=model).count()

    @admin.display(description="of which only the words are found")
    def without_vector(self, model: EmbeddingModel) -> int:
        return SearchChunk.objects.filter(embedding_model=model, embedding=None).count()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        record_change("embedding_model.changed", obj, form, "max_distance")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

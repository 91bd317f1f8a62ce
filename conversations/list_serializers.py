"""What the list of conversations takes as parameters, and what the search has of them."""

from typing import Any

from rest_framework import serializers

from config.api.cursors import Ordering
from config.limits import QUERY_CHARACTERS
from conversations import listing
from conversations.filters import STATUSES, Filters
from integrations.importers.base import SOURCES

IMPORTER_CHARACTERS = 40


class FilterParametersSerializer(serializers.Serializer[Any]):
    """Parameters that the list and the search share, from a plain dict: a flag that a form lacks would mean false."""

    status = serializers.ChoiceField(STATUSES, default="all", help_text="`completed` is what has become a project.")
    importer = serializers.CharField(
        max_length=IMPORTER_CHARACTERS,
        default="",
        allow_blank=True,
        help_text="Only what this person imported: a user's id, or `me`. Another word is taken for a `source`.",
    )
    source = serializers.ChoiceField(  # type: ignore[assignment]  # a field, not the attribute of fields
        SOURCES, required=False, help_text="Only chats from this site or format."
    )
    date_from = serializers.DateField(required=False, help_text="Imported on this day or later (UTC).")
    date_to = serializers.DateField(required=False, help_text="Imported on this day or earlier (UTC).")
    has_files = serializers.BooleanField(required=False, help_text="Only conversations with files, or without.")

    def chosen(self) -> dict[str, Any]:
        """What was given of the members of `Filters` that the list and the search share."""
        names = ("status", "importer", "source", "date_from", "date_to", "has_files")
        return {name: self.validated_data[name] for name in names if name in self.validated_data}


class ListParametersSerializer(FilterParametersSerializer):
    q = serializers.CharField(
        max_length=QUERY_CHARACTERS, default="", allow_blank=True, help_text="Text in the title, in any case."
    )
    sort_by = serializers.ChoiceField(
        listing.SORTS, default="updated", help_text="By the last change, the import or the title."
    )
    sort_dir = serializers.ChoiceField(["desc", "asc"], default="desc", help_text="`desc` has the newest first.")
    with_total = serializers.BooleanField(default=False, help_text="Also count how many there are in all.")

    def filters(self) -> Filters:
        return Filters(**self.chosen(), title=self.validated_data["q"])

    def ordering(self) -> Ordering:
        given = self.validated_data
        return listing.ordering(given["sort_by"], descending=given["sort_dir"] == "desc")

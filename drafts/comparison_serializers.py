"""The JSON of a comparison of two versions, written so that it can be shown without knowing how it was made."""

from typing import Any

from rest_framework import serializers

from drafts.serializers import DraftVersionSerializer
from drafts.versions import Difference

SEGMENT_OPS = ["equal", "delete", "insert"]
LINE_OPS = [*SEGMENT_OPS, "change"]


class SegmentSerializer(serializers.Serializer[Any]):
    """A piece of text: in both versions, only in `from`, or only in `to`. `<del>` and `<ins>` suit the latter two."""

    op = serializers.ChoiceField(SEGMENT_OPS)
    text = serializers.CharField(help_text="Exactly as it stands there, white space and line ends included.")


class TitleDifferenceSerializer(serializers.Serializer[Any]):
    segments = SegmentSerializer(many=True, help_text="One `equal` segment if the title is the same.")


class LineDifferenceSerializer(serializers.Serializer[Any]):
    """
    One line, to be shown in the order given: its segments one after the other.

    What is `equal` and `delete` makes the line of `from`, what is `equal` and `insert` that of `to`. Only a `change`, a
    line that has become another, has segments of several kinds; every other line has one segment of its own kind.
    """

    op = serializers.ChoiceField(LINE_OPS)
    from_line = serializers.IntegerField(allow_null=True, help_text="Its number in `from`, from 1; null if `insert`.")
    to_line = serializers.IntegerField(allow_null=True, help_text="Its number in `to`, from 1; null if `delete`.")
    segments = SegmentSerializer(many=True, help_text="With the line's end, unless the text ends without one.")


class HunkSerializer(serializers.Serializer[Any]):
    """
    Changes close to each other, with up to three unchanged lines before, between and after them.

    The numbers are those of `@@ -from_start,from_lines +to_start,to_lines @@` in a unified diff: a side without lines
    has the number of the line before it.
    """

    from_start = serializers.IntegerField()
    from_lines = serializers.IntegerField()
    to_start = serializers.IntegerField()
    to_lines = serializers.IntegerField()
    lines = LineDifferenceSerializer(many=True)


class DescriptionDifferenceSerializer(serializers.Serializer[Any]):
    is_coarse = serializers.BooleanField(
        help_text="True if the texts are so long and so different that larger pieces than necessary stand as replaced. "
        "A `delete` or `insert` may then hold several lines, numbered by the first."
    )
    hunks = HunkSerializer(many=True, help_text="In order; none if the description is the same.")


class ComparisonSerializer(serializers.Serializer[Any]):
    to = DraftVersionSerializer()
    title = TitleDifferenceSerializer()
    description = DescriptionDifferenceSerializer()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {"from": DraftVersionSerializer(), **super().get_fields()}  # a word that Python keeps for itself


def as_json(found: Difference) -> dict[str, Any]:
    """As `ComparisonSerializer` says; without it, as it would take a second over ten thousand lines."""
    return {
        "from": DraftVersionSerializer(found.old).data,
        "to": DraftVersionSerializer(found.new).data,
        "title": {"segments": found.title},
        "description": found.description,
    }

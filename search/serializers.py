"""The JSON of search (contract.md 1.11), and the parameters that it takes."""

from typing import Any

from rest_framework import serializers

from config.limits import QUERY_CHARACTERS
from conversations.list_serializers import FilterParametersSerializer
from search.filters import Filters
from search.models import SourceType
from search.ranking import CONTENT_TYPES, KINDS, Answer, Hit, Page
from search.snippets import snippet

MOST_HITS = 100
MOST_OFFSET = 10**9  # far beyond what is ever found
HITS_PER_OFFSET = 1000
SORTS = ("score", "relevance", "updated", "imported", "title")


class SearchParametersSerializer(FilterParametersSerializer):
    q = serializers.CharField(
        max_length=QUERY_CHARACTERS, allow_blank=True, help_text='Words, a link, an id; "quoted" words must be there.'
    )
    limit = serializers.IntegerField(min_value=1, max_value=MOST_HITS, default=20, help_text="How many hits at most.")
    offset = serializers.IntegerField(min_value=0, default=0, help_text="How many to leave out from the start.")
    sort_by = serializers.ChoiceField(SORTS, default="score", help_text="`relevance` is the same as `score`.")
    sort_dir = serializers.ChoiceField(["desc", "asc"], default="desc", help_text="Which end comes first.")
    source_type = serializers.MultipleChoiceField(
        choices=SourceType.choices,
        required=False,
        help_text="Only hits in this kind of content; may be given several times.",
    )

    def filters(self) -> Filters:
        return Filters(**self.chosen(), source_types=tuple(sorted(self.validated_data.get("source_type", ()))))

    def page(self) -> Page:
        given = self.validated_data
        offset = min(given["offset"], MOST_OFFSET)
        return Page(given["limit"], offset, given["sort_by"], descending=given["sort_dir"] == "desc")


class HitSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text="Of this hit in this answer; no id of anything stored.")
    content_type = serializers.ChoiceField(CONTENT_TYPES)
    content_snippet = serializers.CharField(help_text="Plain text of at most 320 characters.")
    highlights = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField(), min_length=2, max_length=2),
        help_text="Start and end of each word found in the snippet, in code points.",
    )
    score = serializers.FloatField(help_text="1 for links and titles, else 0 to 1.")
    matched_by = serializers.ListField(child=serializers.ChoiceField(KINDS))
    created_at = serializers.DateTimeField(help_text="Of the conversation.")
    conversation_id = serializers.IntegerField()
    conversation_title = serializers.CharField()
    created_by_user_name = serializers.CharField()
    created_by_user_email = serializers.CharField()
    message_index = serializers.IntegerField(allow_null=True, help_text="Of the imported chat, from 0.")
    sequence_number = serializers.IntegerField(allow_null=True, help_text="Of the chat about the draft.")
    version_id = serializers.IntegerField(allow_null=True, help_text="Of the draft.")
    file_id = serializers.IntegerField(allow_null=True)


class StatsSerializer(serializers.Serializer[Any]):
    query = serializers.CharField()
    total_results = serializers.IntegerField()
    execution_time_ms = serializers.FloatField()
    results_by_type = serializers.DictField(child=serializers.IntegerField(), help_text="Of the hits in `results`.")


class SearchAnswerSerializer(serializers.Serializer[Any]):
    results = HitSerializer(many=True)
    stats = StatsSerializer()
    total_count = serializers.IntegerField(help_text="Of hits that can be paged through.")
    total_is_capped = serializers.BooleanField(help_text="True if there may be more than `total_count`.")
    has_more = serializers.BooleanField()
    degraded = serializers.BooleanField(help_text="True if meaning could not be compared, only words and titles.")


class SimilarSerializer(serializers.Serializer[Any]):
    conversation_id = serializers.IntegerField()
    conversation_title = serializers.CharField()
    score = serializers.FloatField(help_text="How alike the whole texts are, up to 1.")
    is_close = serializers.BooleanField(help_text="True if somebody should look whether it is the same project.")
    created_at = serializers.DateTimeField()
    created_by_user_name = serializers.CharField()
    created_by_user_email = serializers.CharField()


class SimilarAnswerSerializer(serializers.Serializer[Any]):
    results = SimilarSerializer(many=True)
    indexed = serializers.BooleanField(help_text="False while the conversation's text waits to be indexed: ask again.")


def as_json(answer: Answer) -> dict[str, Any]:
    found = answer.found
    return {
        "results": [_hit(hit, number, answer) for number, hit in enumerate(found.hits)],
        "stats": {
            "query": answer.query.typed,
            "total_results": found.total,
            "execution_time_ms": answer.milliseconds,
            "results_by_type": answer.by_type,
        },
        "total_count": found.total,
        "total_is_capped": found.is_capped,
        "has_more": answer.has_more,
        "degraded": answer.is_degraded,
    }


def _hit(hit: Hit, number: int, answer: Answer) -> dict[str, Any]:
    shown = snippet(hit.text or hit.title, answer.found.lexemes, answer.query.phrases)
    return {
        "id": number + HITS_PER_OFFSET * answer.page.offset,
        "content_type": hit.content_type,
        "content_snippet": shown.text,
        "highlights": shown.highlights,
        "score": hit.score,
        "matched_by": hit.matched_by,
        "created_at": hit.created_at,
        "conversation_id": hit.conversation_id,
        "conversation_title": hit.title,
        "created_by_user_name": hit.user_name,
        "created_by_user_email": hit.user_email,
        "message_index": hit.message_index,
        "sequence_number": hit.sequence_number,
        "version_id": hit.version_id,
        "file_id": hit.file_id,
    }

"""How drf-spectacular makes the API's document, except for its title: an installation may choose that."""

from typing import Any

SPECTACULAR: dict[str, Any] = {
    "DESCRIPTION": "Import a chat, watch a project draft being written, refine it in chat.\n\n"
    "A browser is signed in by its session's cookie, a service by a key in `X-API-Key`. Every refusal is a problem "
    "document (RFC 9457); `/problems/<code>` explains its `code`. Whatever takes a model's time is a run: it is "
    "streamed as server-sent events, goes on when the client leaves, and can be watched again from any event on.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api",
    "SORT_OPERATIONS": False,
    "TAGS": [
        {"name": "auth", "description": "Signing in and out, and where one is signed in."},
        {"name": "import", "description": "Bringing one chat in, by its link or as a file or text."},
        {"name": "archives", "description": "Bringing in many at once, from the export of an account."},
        {"name": "conversations", "description": "Imported chats."},
        {"name": "project draft", "description": "The draft made of a chat, and all its versions."},
        {"name": "chat", "description": "Talking about a draft with a model, which may edit it."},
        {"name": "files", "description": "What is attached to a conversation."},
        {"name": "project", "description": "The Linear project that a draft becomes."},
        {"name": "runs", "description": "What is being written: watching, stopping, allowing, trying again."},
        {"name": "search", "description": "Finding conversations by words and by meaning."},
        {"name": "models", "description": "Which models there are, and which a task uses."},
        {"name": "prompts", "description": "What models are told."},
        {"name": "integrations", "description": "Services outside."},
    ],
    "COMPONENT_SPLIT_REQUEST": True,  # what is read and what is answered differ in which members must be there
    "COMPONENT_SPLIT_PATCH": False,  # our PATCHes take whole objects
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {  # all of them: generated clients use the names
        "ArchiveStateEnum": "drafts.models.Archive.State",
        "BulkResolutionEnum": "drafts.archive_serializers.BULK_RESOLUTIONS",
        "ContentTypeEnum": "search.ranking.CONTENT_TYPES",
        "DuplicateResolutionEnum": "drafts.serializers.RESOLUTIONS",
        "EntryStatusEnum": "drafts.models.ArchiveEntry.Result",
        "FileStatusEnum": "chat.models.FileAttachment.Extraction",
        "ImportedMessageRoleEnum": "conversations.serializers.ROLES",
        "LineOpEnum": "drafts.comparison_serializers.LINE_OPS",
        "MatchedByEnum": "search.ranking.KINDS",
        "MessageRoleEnum": "chat.models.ChatMessage.Role",
        "RunKindEnum": "conversations.models.Run.Kind",
        "RunStateEnum": "conversations.models.Run.State",
        "SegmentOpEnum": "drafts.comparison_serializers.SEGMENT_OPS",
        "WarningCodeEnum": "llmconfig.serializers.WARNING_CODES",
    },
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "config.openapi.complete"],
}

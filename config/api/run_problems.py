"""What runs, imports and calls to language models fail with: codes of `error` events and of `error_code` members."""

RUN_PROBLEMS: dict[str, tuple[str, str]] = {
    "attempts_exhausted": (
        "Given up",
        "The server went down each time it worked on this. What was written is kept; try again, and if it happens "
        "again, tell an operator the run's id.",
    ),
    "internal_error": (
        "A fault of the server",
        "Try again. An operator finds the details in the log of the runner, under the run's id.",
    ),
    "model_limit_conflict": (
        "Too long for the model",
        "Nothing was stored. Choose a model with a larger window, or import again with `accept_summarization`.",
    ),
    "context_too_long": (
        "Too long for the model",
        "The text is longer than the model can read at once. Shorten it, or choose a model with a larger window.",
    ),
    "empty_output": ("The model said nothing", "The model ended without an answer. Try again, or try another model."),
    "generation_failed": (
        "No draft was written",
        "The conversation is stored. The model's answer could not be used: let it write the draft again.",
    ),
    "provider_authentication": (
        "The provider refused the key",
        "An operator has to set another API key, or allow this model to it. Until then choose another model.",
    ),
    "provider_error": ("The provider failed", "The call to the model failed. Try again, or choose another model."),
    "provider_interrupted": (
        "The answer broke off",
        "The provider ended the answer before it was complete. What had come is kept; try again.",
    ),
    "provider_not_configured": (
        "The provider is not configured",
        "This server has no key for it. Choose a model that `/api/llm-defaults/providers` shows as `configured`.",
    ),
    "provider_overloaded": (
        "The provider is overloaded",
        "It was asked several times and did not answer. Try again in a few minutes, or choose another model.",
    ),
    "provider_refused": (
        "The provider refused",
        "The model does not take this request, or declined to answer it. Change the message or choose another model.",
    ),
    "unknown_model": (
        "No such model",
        "The provider does not know it; `/api/llm-defaults/providers` lists those that can be chosen.",
    ),
    "wrong_target": (
        "Not the same chat",
        "`target_conversation_id` must be a conversation that was imported from this very link.",
    ),
    "import_failed": ("The import failed", "`detail` or `message` says why. Another form of the chat may be readable."),
    "bot_challenge": (
        "The site wants a browser",
        "The site lets only people's browsers see it. Open it in yours, then paste the chat's text or upload a file.",
    ),
    "fetch_failed": (
        "The page could not be fetched",
        "Check that the link still opens in a browser. If it does, paste the chat's text or upload a file.",
    ),
    "private_or_login": (
        "Not shared with everybody",
        "The site shows the chat only to people who are signed in. Share it publicly, or paste its text.",
    ),
    "rate_limited": ("Asked too often", "The site wants to be asked less often. Try again in a few minutes."),
    "timeout": ("The site was too slow", "It did not answer in time. Try again later, or paste the chat's text."),
    "unsupported_url": (
        "Not a link that is fetched",
        "Links of this form are not read here. Paste the chat's text or upload a saved file.",
    ),
    "format_changed": (
        "The page has a new form",
        "The site's answer can't be read yet. Paste the chat's text or upload a file, and tell an operator.",
    ),
    "unknown_format": (
        "Not a chat that can be read",
        "The file or text is in none of the known formats. `detail` says which there are.",
    ),
    "no_conversations": ("No conversations", "The file holds none that can be read. Choose the export's own file."),
    "archive_too_large": (
        "The archive is too large",
        "Unpacked it would exceed what is read here. Import a part of it.",
    ),
    "damaged_archive": ("The archive is damaged", "It can't be unpacked. Download it again, then upload it again."),
    "empty_archive": ("The archive is empty", "There is no file in it. Download it again, or choose another one."),
    "encrypted_archive": ("The archive is encrypted", "Unpack it with its password and upload what is in it."),
    "nested_archive": ("An archive in an archive", "Unpack it once and upload the archive that is inside."),
    "too_many_members": ("Too many files", "The archive holds more files than are read here. Upload a part of them."),
    "too_many_conversations": (
        "Too many conversations",
        "The archive holds more conversations than are listed here. Upload it in parts.",
    ),
    "file_gone": ("The file is gone", "An uploaded archive is kept for a day. Upload it again."),
}

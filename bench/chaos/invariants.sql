-- The truth after a chaos run. Each statement selects what breaks the rule above it; all of them must find nothing.

-- RULE messages are numbered 1, 2, 3 in their draft, as its counter says
SELECT draft.id FROM project_drafts draft LEFT JOIN chat_messages message ON message.project_draft_id = draft.id
GROUP BY draft.id
HAVING count(message.id) <> draft.last_sequence_number
    OR coalesce(max(message.sequence_number), 0) <> draft.last_sequence_number;

-- RULE versions are numbered 1, 2, 3 in their draft, as its counter says
SELECT draft.id FROM project_drafts draft LEFT JOIN project_draft_versions version ON version.project_draft_id = draft.id
GROUP BY draft.id
HAVING count(version.id) <> draft.last_version_number
    OR coalesce(max(version.version_number), 0) <> draft.last_version_number;

-- RULE a chat turn that is done has exactly one answer
WITH answers AS (
    SELECT run_id FROM chat_messages WHERE role = 'assistant' UNION ALL SELECT run_id FROM chat_message_revisions
)
SELECT runs.id FROM runs LEFT JOIN answers ON answers.run_id = runs.id
WHERE runs.kind = 'chat_turn' AND runs.state = 'done' GROUP BY runs.id HAVING count(answers.run_id) <> 1;

-- RULE a chat turn that failed or was stopped has an answer if and only if text was shown, and never two
WITH answers AS (
    SELECT run_id FROM chat_messages WHERE role = 'assistant' UNION ALL SELECT run_id FROM chat_message_revisions
)
SELECT runs.id FROM runs LEFT JOIN answers ON answers.run_id = runs.id
WHERE runs.kind = 'chat_turn' AND runs.state IN ('failed', 'cancelled')
GROUP BY runs.id HAVING count(answers.run_id) <> CASE WHEN runs.partial ~ '\S' THEN 1 ELSE 0 END;

-- RULE a chat turn that is not over has no answer
SELECT runs.id FROM runs JOIN chat_messages message ON message.run_id = runs.id AND message.role = 'assistant'
WHERE runs.state IN ('queued', 'running', 'waiting');

-- RULE no run has a lease that lapsed a minute ago
SELECT id FROM runs WHERE state = 'running' AND lease_until < now() - interval '60 seconds';

-- RULE no run is left queued, running or waiting
SELECT concat_ws(' ', state, kind, id) FROM runs WHERE state IN ('queued', 'running', 'waiting');

-- RULE at most one chat turn of a conversation is not over
SELECT conversation_id FROM runs WHERE kind = 'chat_turn' AND state IN ('queued', 'running', 'waiting')
GROUP BY conversation_id HAVING count(*) > 1;

-- RULE a draft's active version is its own
SELECT draft.id FROM project_drafts draft LEFT JOIN project_draft_versions version ON version.id = draft.active_version_id
WHERE version.project_draft_id IS DISTINCT FROM draft.id;

-- RULE a tool's call takes effect once
SELECT run_id FROM project_draft_versions WHERE tool_call <> '' GROUP BY run_id, tool_call HAVING count(*) > 1;

-- RULE a run that wrote a draft wrote one version
SELECT run_id FROM project_draft_versions WHERE tool_call = '' AND run_id IS NOT NULL GROUP BY run_id HAVING count(*) > 1;

-- RULE an import that is done has a conversation with a draft, unless it asked a question
SELECT runs.id FROM runs LEFT JOIN project_drafts draft ON draft.conversation_id = runs.conversation_id
WHERE runs.kind = 'import' AND runs.state = 'done' AND (draft.id IS NULL) <> (runs.error_code <> '');

-- RULE a conversation comes from one import
SELECT conversation_id FROM runs WHERE kind = 'import' AND conversation_id IS NOT NULL
    AND payload->>'duplicate_resolution' <> 'update_existing'
GROUP BY conversation_id HAVING count(*) > 1;

-- RULE no draft is still being written
SELECT draft.id FROM project_drafts draft JOIN project_draft_versions version ON version.id = draft.active_version_id
WHERE version.title = 'Generating...' AND NOT version.is_manual_edit AND NOT EXISTS (
    SELECT FROM runs WHERE runs.conversation_id = draft.conversation_id AND state IN ('queued', 'running', 'waiting'));

-- RULE a conversation has at most one project
SELECT conversation_id FROM projects GROUP BY conversation_id HAVING count(*) > 1;

-- RULE a conversation is locked if and only if it has become a project, unless an operator has unlocked it
SELECT conversation.id FROM conversations conversation LEFT JOIN projects ON projects.conversation_id = conversation.id
WHERE conversation.is_locked <> (projects.id IS NOT NULL) AND (conversation.is_locked OR NOT EXISTS (
    SELECT FROM audit_events WHERE action = 'conversation.unlocked' AND resource = 'conversation ' || conversation.id));

-- RULE a wish for a project has come true if and only if there is the project
SELECT request.id FROM linear_project_requests request
LEFT JOIN projects ON projects.conversation_id = request.conversation_id
WHERE (request.state = 'created') <> (projects.id IS NOT NULL);

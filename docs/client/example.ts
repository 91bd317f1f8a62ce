// A client of Draftloom without a library: every path, body, answer, event and problem has the type of the document.
import type { components, operations } from "./api.js";

type Schemas = components["schemas"];
type Operation = keyof operations;
export type Problem = Schemas["Problem"];
export type ImportEvent = Schemas["ImportEvent"];
export type ChatEvent = Schemas["ChatEvent"];

/** The JSON that an operation takes. */
type Body<Name extends Operation> = operations[Name] extends {
  requestBody?: { content: { "application/json": infer Json } };
}
  ? Json
  : never;

/** The JSON that it answers with. */
type Answer<Name extends Operation> = operations[Name] extends {
  responses: { 200: { content: { "application/json": infer Json } } };
}
  ? Json
  : never;

/** A refusal. `problem.code` says which one, for programs; `problem.detail` says it to people. */
export class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

export class Draftloom {
  /** In a browser no headers are needed: the session's cookie is enough. A service sends `X-API-Key`. */
  constructor(
    private readonly address: string,
    private readonly headers: Record<string, string> = {},
  ) {}

  async conversations(limit = 100): Promise<Answer<"conversation_list">["conversations"]> {
    const answer = await this.json<"conversation_list">("GET", `/api/conversations?limit=${limit}`);
    return answer.conversations;
  }

  async draft(conversation: number): Promise<Schemas["ProjectDraft"]> {
    const path = `/api/conversations/${conversation}/project-draft`;
    return (await this.json<"project_draft_retrieve">("GET", path)).project_draft;
  }

  async saveDraft(conversation: number, edit: Body<"project_draft_partial_update">): Promise<Schemas["ProjectDraft"]> {
    const path = `/api/conversations/${conversation}/project-draft`;
    return (await this.json<"project_draft_partial_update">("PATCH", path, edit)).project_draft;
  }

  /** Imports a chat from its text, and tells how that goes until the draft is written. */
  importText(body: Body<"import_file_file">): AsyncGenerator<ImportEvent> {
    return this.events<ImportEvent>("/api/conversations/import-file", body);
  }

  /** Says something about the draft, and tells the answer as it is written. */
  say(conversation: number, body: Body<"chat_stream">): AsyncGenerator<ChatEvent> {
    return this.events<ChatEvent>(`/api/conversations/${conversation}/project-draft/chat/stream`, body);
  }

  private async json<Name extends Operation>(method: string, path: string, body?: unknown): Promise<Answer<Name>> {
    const response = await this.ask(method, path, body);
    return (await response.json()) as Answer<Name>;
  }

  private async *events<Event>(path: string, body: unknown): AsyncGenerator<Event> {
    const response = await this.ask("POST", path, body);
    if (response.body === null) return;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let unread = "";
    for (let block = await reader.read(); !block.done; block = await reader.read()) {
      const lines = (unread + block.value).split("\n");
      unread = lines.pop() ?? "";
      for (const line of lines) {
        if (line.startsWith("data: ")) yield JSON.parse(line.slice("data: ".length)) as Event;
      }
    }
  }

  private async ask(method: string, path: string, body?: unknown): Promise<Response> {
    const headers = { ...this.headers, ...(body === undefined ? {} : { "Content-Type": "application/json" }) };
    const content = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await fetch(this.address + path, { method, headers, credentials: "include", ...content });
    if (!response.ok) throw new Refused((await response.json()) as Problem);
    return response;
  }
}

/** What to show of an event. An event that the document gains makes this fail to compile until it is handled. */
export function told(event: ImportEvent): string {
  switch (event.type) {
    case "run":
      return `Run ${event.run_id} (${event.kind})`;
    case "state":
    case "status":
      return event.type === "state" ? event.state : event.status;
    case "progress":
      return `${event.phase}: ${event.current} of ${event.total}`;
    case "content":
      return event.content;
    case "reset":
      return "(from the start again)";
    case "fallback":
      return `${event.failed_model} could not answer; ${event.model} does`;
    case "usage":
      return `${event.input_tokens} tokens in, ${event.output_tokens} out`;
    case "conflict":
      return `Here already: ${event.conversations.map((same) => same.title).join(", ")}`;
    case "model_limit_conflict":
      return `${event.message} ${event.suggestion}`;
    case "done":
      return event.project_draft?.active_version?.title ?? event.conversation.title;
    case "error":
      return `${event.code}: ${event.message}`;
    case "cancelled":
      return event.partial ? "Stopped; what was written is kept." : "Stopped.";
    default: {
      const unknown: never = event;
      return unknown;
    }
  }
}

/** The main flow: import a chat, watch its draft being written, and save a change of it. */
export async function importAndEdit(client: Draftloom, text: string): Promise<Schemas["ProjectDraft"]> {
  for await (const event of client.importText({ text, duplicate_resolution: "create_new" })) {
    console.log(told(event));
    if (event.type === "done") return rename(client, event.conversation.id, event.conversation.title);
    if (event.type === "error") throw new Error(event.message);
  }
  throw new Error("The import ended without a conversation.");
}

async function rename(client: Draftloom, conversation: number, title: string): Promise<Schemas["ProjectDraft"]> {
  const { active_version: version } = await client.draft(conversation);
  try {
    return await client.saveDraft(conversation, { title: title.slice(0, 80), description: version?.description ?? "" });
  } catch (error) {
    if (error instanceof Refused && error.problem.code === "conversation_locked") return client.draft(conversation);
    throw error;
  }
}

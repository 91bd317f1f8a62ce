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

/** Something that may be edited, and the entity tag of what was read. */
export interface Tagged<Kind> {
  value: Kind;
  etag: string;
}

/** A refusal. `problem.code` says which one, for programs; `problem.detail` says it to people. */
export class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

/** Somebody else has saved meanwhile: nothing was written, and `problem.current` is what is there now. */
export class Outdated extends Refused {
  constructor(override readonly problem: Schemas["PreconditionFailed"]) {
    super(problem);
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

  async draft(conversation: number): Promise<Tagged<Schemas["ProjectDraft"]>> {
    const response = await this.ask("GET", `/api/conversations/${conversation}/project-draft`);
    const answer = (await response.json()) as Answer<"project_draft_retrieve">;
    return { value: answer.project_draft, etag: response.headers.get("ETag") ?? "" };
  }

  /** Saves the draft if it is still the one that was read as `etag`; throws `Outdated` if it is not. */
  async saveDraft(
    conversation: number,
    edit: Body<"project_draft_partial_update">,
    etag: string,
  ): Promise<Schemas["ProjectDraft"]> {
    const path = `/api/conversations/${conversation}/project-draft`;
    return (await this.json<"project_draft_partial_update">("PATCH", path, edit, { "If-Match": etag })).project_draft;
  }

  /** Imports a chat from its text, and tells how that goes until the draft is written. */
  importText(body: Body<"import_file_file">): AsyncGenerator<ImportEvent> {
    return this.events<ImportEvent>("/api/conversations/import-file", body);
  }

  /** Says something about the draft, and tells the answer as it is written. */
  say(conversation: number, body: Body<"chat_stream">): AsyncGenerator<ChatEvent> {
    return this.events<ChatEvent>(`/api/conversations/${conversation}/project-draft/chat/stream`, body);
  }

  private async json<Name extends Operation>(
    method: string,
    path: string,
    body?: unknown,
    conditions: Record<string, string> = {},
  ): Promise<Answer<Name>> {
    const response = await this.ask(method, path, body, conditions);
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

  private async ask(
    method: string,
    path: string,
    body?: unknown,
    conditions: Record<string, string> = {},
  ): Promise<Response> {
    const type = body === undefined ? {} : { "Content-Type": "application/json" };
    const headers = { ...this.headers, ...type, ...conditions };
    const content = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await fetch(this.address + path, { method, headers, credentials: "include", ...content });
    if (response.status === 412) throw new Outdated((await response.json()) as Schemas["PreconditionFailed"]);
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
  const { value: draft, etag } = await client.draft(conversation);
  const edit = { title: title.slice(0, 80), description: draft.active_version?.description ?? "" };
  try {
    return await client.saveDraft(conversation, edit, etag);
  } catch (error) {
    if (error instanceof Outdated) return rename(client, conversation, title);
    if (error instanceof Refused && error.problem.code === "conversation_locked") return draft;
    throw error;
  }
}

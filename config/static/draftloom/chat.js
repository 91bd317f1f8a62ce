/** The chat about the draft. */

import { attempt, call, request } from "./api.js";
import { $, button, h, inWords, say, time } from "./dom.js";
import { markdown } from "./markdown.js";
import { chosenModel } from "./models.js";
import { follow, oncePerFrame } from "./stream.js";

const ENDED = {
  cancelled: "Stopped. This is what had been written.",
  failed: "Interrupted before it was complete.",
};
const NEAR_THE_END = 120; // pixels

export class Chat {
  /** `onDraft` is called when an answer has changed the draft. */
  constructor(conversation, signal, { me, onDraft }) {
    Object.assign(this, { signal, me, onDraft, run: null });
    this.path = `/api/conversations/${conversation.id}/project-draft/chat`;
    $("composer").hidden = conversation.is_locked;
    $("composer").onsubmit = (event) => (event.preventDefault(), this.tried(() => this.send()));
    $("chat-stop").onclick = () => this.tried(() => call("POST", `/api/runs/${this.run}/cancel`));
    this.isRunning(null);
  }

  tried(action) {
    return attempt($("chat-error"), action);
  }

  async load() {
    const { chat_messages: messages } = await call("GET", this.path, undefined, { signal: this.signal });
    const answered = new Set(messages.filter(({ role }) => role === "assistant").map(({ run }) => run?.id));
    const empty = h("p", { className: "empty", textContent: "Ask for a change, or ask a question about the draft." });
    $("messages").replaceChildren(
      ...messages.map((message) => this.bubble(message, !answered.has(message.run?.id))),
      ...(messages.length ? [] : [empty]),
    );
    this.scroll(true);
  }

  bubble(message, isUnanswered = false) {
    const isMine = message.role === "user";
    const name = !isMine ? "Draftloom" : message.sent_by_user_id === this.me.id ? "You" : message.sent_by_user_name;
    const head = h("header", {}, h("strong", { textContent: name }), " ", time(message.created_at));
    const body = h("div", { className: "prose" }, markdown(message.content));
    const bubble = h("article", { className: `message ${message.role}` }, head, body);
    const ended = ENDED[message.run?.state];
    if (ended && !isMine) bubble.append(h("p", { className: "note", textContent: ended }));
    if (ended && isMine && isUnanswered) bubble.append(this.unanswered(message));
    if (message.model) bubble.append(h("p", { className: "model", textContent: `by ${message.model}` }));
    return bubble;
  }

  unanswered(message) {
    const why = message.run.state === "cancelled" ? "Stopped before there was an answer. " : "There was no answer. ";
    const again = () => {
      $("message").value = message.content;
      $("message").focus();
    };
    return h("p", { className: "note" }, why, button("Ask again", again));
  }

  async send() {
    const message = $("message").value;
    if (this.run || !message.trim()) return;
    $("chat-send").disabled = true;
    try {
      const body = { message, ...chosenModel($("model")) };
      const response = await request("POST", `${this.path}/stream`, body);
      $("message").value = "";
      const runId = response.headers.get("X-Run-Id");
      this.isRunning(runId);
      await this.load();
      await this.follow(runId, response);
    } finally {
      if (!this.signal.aborted) $("chat-send").disabled = false;
    }
  }

  isRunning(runId) {
    this.run = runId;
    $("chat-send").hidden = Boolean(runId);
    $("chat-send").disabled = false;
    $("chat-stop").hidden = !runId;
    $("messages").ariaBusy = String(Boolean(runId));
    say($("chat-status"), runId ? "Waiting for its turn…" : "");
  }

  async follow(runId, response) {
    this.isRunning(runId);
    const live = new LiveAnswer(() => this.scroll());
    $("messages").querySelector(".empty")?.remove();
    $("messages").append(live.element);
    this.scroll(true);
    let end;
    try {
      end = await follow(runId, {
        response,
        signal: this.signal,
        onEvent: (event) => this.take(event, live),
        onLink: (isUp) => say($("chat-status"), isUp ? live.status : "Reconnecting…"),
      });
    } finally {
      if (!this.signal.aborted) this.isRunning(null);
    }
    await this.finish(end, live);
  }

  take(event, live) {
    if (event.type === "project_updated") this.onDraft();
    live.take(event);
    say($("chat-status"), live.status);
  }

  async finish(end, live) {
    if (end?.type === "done") live.element.replaceWith(this.bubble(end.response.message));
    else await this.load();
    if (end?.type === "error") say($("chat-error"), end.message);
    await this.onDraft();
    this.scroll();
    document.dispatchEvent(new Event("changed"));
  }

  scroll(always = false) {
    const list = $("messages");
    const isNear = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_THE_END;
    if (always || isNear) list.scrollTop = list.scrollHeight;
  }
}

/** An answer while it is being written. */
class LiveAnswer {
  constructor(onPaint) {
    Object.assign(this, { text: "", thoughts: "", status: "Waiting for its turn…" });
    this.deeds = h("ul", { className: "deeds" });
    this.thinking = h("p");
    this.details = h("details", { hidden: true }, h("summary", { textContent: "Thinking aloud" }), this.thinking);
    this.body = h("div", { className: "prose" });
    const head = h("header", {}, h("strong", { textContent: "Draftloom" }));
    this.element = h("article", { className: "message assistant live" }, head, this.details, this.deeds, this.body);
    this.paint = oncePerFrame(() => {
      this.body.replaceChildren(markdown(this.text));
      this.thinking.textContent = this.thoughts;
      this.details.hidden = !this.thoughts;
      onPaint();
    });
  }

  take(event) {
    if (event.type === "reset") this.text = this.thoughts = "";
    if (event.type === "reset") this.deeds.replaceChildren();
    if (event.type === "content") this.text += event.content;
    if (event.type === "reasoning") this.thoughts += event.content;
    if (event.type === "tool_call" && event.status !== "started") this.deeds.append(deed(event));
    if (event.type === "status") this.status = inWords(event) ?? this.status;
    if (event.type === "content") this.status = "Writing the answer…";
    this.paint();
  }
}

function deed({ name, status, detail }) {
  const known = name === "update_project_draft" && status === "succeeded";
  return h("li", { className: status, textContent: known ? "The draft was changed." : detail });
}

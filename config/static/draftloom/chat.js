/** The chat about the draft. */

import { attempt, call, request } from "./api.js";
import { $, button, h, inWords, say, time } from "./dom.js";
import { Attachments, sentFiles } from "./files.js";
import { markdown } from "./markdown.js";
import { chosenModel } from "./models.js";
import { follow, oncePerFrame, streamAt } from "./stream.js";

const ENDED = {
  cancelled: "Stopped. This is what had been written.",
  failed: "Interrupted before it was complete.",
};
const WISHES = {
  create_linear_project:
    "The assistant wants to create a project in Linear from the draft as it is now. This conversation can't be changed any more then.",
};
const NEAR_THE_END = 120; // pixels
const PAGE = 50; // messages, from the last one

export class Chat {
  /** `onDraft` is called when an answer has changed the draft, `onLocked` when it has made a project of it. */
  constructor(conversation, signal, { me, onDraft, onLocked }) {
    Object.assign(this, { signal, me, onDraft, onLocked, run: null });
    this.path = `/api/conversations/${conversation.id}/project-draft/chat`;
    $("composer").hidden = conversation.is_locked;
    this.attachments = new Attachments(conversation, signal, { me, onChange: () => this.allowSending() });
    if (!conversation.is_locked) this.tried(() => this.attachments.load());
    $("composer").onsubmit = (event) => (event.preventDefault(), this.tried(() => this.send()));
    $("chat-stop").onclick = () => this.tried(() => call("POST", `/api/runs/${this.run}/cancel`));
    this.isRunning(null);
  }

  tried(action) {
    return attempt($("chat-error"), action);
  }

  async load() {
    const { chat_messages: stored, next } = await this.page();
    // An answer that is being followed is shown live, even if it is stored by now.
    const messages = stored.filter(({ role, run }) => role === "user" || !this.run || run?.id !== this.run);
    const empty = h("p", { className: "empty", textContent: "Ask for a change, or ask a question about the draft." });
    $("messages").replaceChildren(
      ...this.earlier(next),
      ...messages.map((message, place) => this.bubble(message, !this.run && place === messages.length - 1)),
      ...(messages.length ? [] : [empty]),
    );
    this.scroll(true);
  }

  page(cursor) {
    const query = `?limit=${PAGE}${cursor ? `&cursor=${cursor}` : ""}`;
    return call("GET", this.path + query, undefined, { signal: this.signal });
  }

  /** A button that puts the messages of the page before in its place, if there is one. */
  earlier(cursor) {
    if (!cursor) return [];
    const more = button("Show earlier messages", () =>
      this.tried(async () => {
        const { chat_messages: messages, next } = await this.page(cursor);
        const fromEnd = $("messages").scrollHeight - $("messages").scrollTop;
        more.replaceWith(...this.earlier(next), ...messages.map((message) => this.bubble(message)));
        $("messages").scrollTop = $("messages").scrollHeight - fromEnd; // what was read stays where it is
      }),
    );
    return [more];
  }

  bubble(message, isLast = false) {
    const isMine = message.role === "user";
    const name = !isMine ? "Draftloom" : message.sent_by_user_id === this.me.id ? "You" : message.sent_by_user_name;
    const head = h("header", {}, h("strong", { textContent: name }), " ", time(message.created_at));
    const body = h("div", { className: "prose" }, markdown(message.content));
    const bubble = h("article", { className: `message ${message.role}` }, head, body);
    const ended = ENDED[message.run?.state];
    if (ended && !isMine) bubble.append(this.unfinished(`${ended} `, isLast));
    if (ended && isMine && isLast) bubble.append(this.unfinished("There was no answer. ", isLast));
    const files = isMine && sentFiles(message);
    if (files) bubble.append(files);
    if (message.model) bubble.append(h("p", { className: "model", textContent: madeBy(message) }));
    return bubble;
  }

  unfinished(why, canBeWrittenAgain) {
    const again = button("Write it again", () => this.tried(() => this.writeAgain()));
    return h("p", { className: "note" }, why, canBeWrittenAgain ? again : null);
  }

  async writeAgain() {
    if (!this.run) await this.watch(await request("POST", streamAt(`${this.path}/regenerate`)));
  }

  async send() {
    const message = $("message").value;
    const { ids, isUploading } = this.attachments;
    if (this.run || isUploading) return;
    if (!message.trim()) {
      if (ids.length) say($("chat-error"), "Write something about the files, then send it.");
      return;
    }
    this.allowSending(false);
    try {
      const body = { message, attachment_ids: ids, ...chosenModel($("model")) };
      const response = await request("POST", streamAt(`${this.path}/stream`), body, { headers: this.keyFor(`${ids} ${message}`) });
      this.key = null;
      $("message").value = "";
      this.attachments.sent(ids);
      await this.watch(response);
    } finally {
      if (!this.signal.aborted) this.allowSending();
    }
  }

  allowSending(isAllowed = true) {
    $("chat-send").disabled = !isAllowed || this.attachments.isUploading;
  }

  /** One key for one text, so that sending it again after a broken connection says it once. */
  keyFor(message) {
    if (this.key?.message !== message) this.key = { message, value: `${Date.now()}-${Math.random()}` };
    return { "Idempotency-Key": this.key.value };
  }

  async watch(response) {
    const runId = response.headers.get("X-Run-Id");
    this.isRunning(runId);
    await this.load();
    await this.follow(runId, response);
  }

  isRunning(runId) {
    this.run = runId;
    $("chat-send").hidden = Boolean(runId);
    this.allowSending();
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
    await this.finish(end);
  }

  take(event, live) {
    if (event.type === "project_updated") this.onDraft();
    if (event.type === "conversation_locked") this.onLocked();
    live.take(event);
    if (event.type === "approval_required") live.ask(event, (approve) => this.tried(() => this.decide(approve)));
    say($("chat-status"), live.status);
  }

  decide(approve) {
    return call("POST", `/api/runs/${this.run}/approve`, { approve });
  }

  async finish(end) {
    await this.load();
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

  /** Shows what the model wants to do outside of Draftloom, until somebody has decided. */
  ask({ tool, arguments: given }, decide) {
    const what = WISHES[tool] ?? `The assistant wants to use “${tool.replaceAll("_", " ")}” on the draft as it is now.`;
    const details = Object.keys(given).length ? h("pre", { textContent: JSON.stringify(given, null, 2) }) : null;
    const buttons = [button("Allow", () => decide(true), ""), button("Refuse", () => decide(false))];
    this.question = h("div", { className: "question", role: "alert" }, h("p", { textContent: what }), details, ...buttons);
    this.element.append(this.question);
    this.status = "Waiting for your decision…";
  }

  take(event) {
    this.question?.remove();
    if (event.type === "reset") this.text = this.thoughts = "";
    if (event.type === "reset") this.deeds.replaceChildren();
    if (event.type === "content") this.text += event.content;
    if (event.type === "reasoning") this.thoughts += event.content;
    if (event.type === "tool_call" && event.status !== "started") this.deeds.append(deed(event));
    if (event.type === "fallback") this.deeds.append(h("li", { className: "note", textContent: stoodIn(event) }));
    if (event.type === "status") this.status = inWords(event) ?? this.status;
    if (event.type === "content") this.status = "Writing the answer…";
    this.paint();
  }
}

const stoodIn = ({ failed_model, model }) => `${failed_model} could not answer, so ${model} does.`;

/** Which model wrote a message, what stood in for what, and what it cost. */
function madeBy({ model, fallback_from, usage }) {
  const instead = fallback_from ? `, as ${fallback_from} could not answer` : "";
  const cost = usage?.cost_usd ? ` · ${dollars(usage.cost_usd)}` : "";
  return `by ${model}${instead}${cost}`;
}

const dollars = (amount) => `$${amount < 0.01 ? amount.toPrecision(1) : amount.toFixed(2)}`;

function deed({ name, status, detail }) {
  const known = ["update_project_draft", "edit_project_draft"].includes(name) && status === "succeeded";
  return h("li", { className: status, textContent: known ? "The draft was changed." : detail });
}

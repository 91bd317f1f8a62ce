/** An uploaded archive: what it holds, which conversations to take from it, and watching them come in. */

import { attempt, call, request } from "./api.js";
import { $, date, h, inWords, say } from "./dom.js";
import { chosenModel } from "./models.js";
import { follow, streamAt } from "./stream.js";

const PAGE = 200;
const LOOK_MILLISECONDS = 1000;
const RESULTS = { created: "imported", updated: "updated", unchanged: "nothing new", skipped: "left as it was", failed: "failed" };

/** Sends a file of many conversations, and goes to the place that shows them. */
export async function uploadArchive(file) {
  const body = new FormData();
  body.append("file", file);
  const { id } = await (await request("POST", "/api/imports", body)).json();
  location.hash = `#/a/${id}`;
}

/** Shows archive `id` and rejoins its import. Rejects with `Problem` if there is no such archive. */
export async function openArchive(id, { signal }) {
  const archive = new Archive(id, signal);
  await archive.load();
  archive.tried(() => archive.watch());
}

class Archive {
  constructor(id, signal) {
    Object.assign(this, { signal, path: `/api/imports/${id}`, chosen: new Set(), shown: 0, row: null });
    $("archive-form").hidden = true;
    $("archive-entries").replaceChildren();
    say($("archive-status"), "");
    say($("archive-error"), "");
    $("archive-all").checked = $("archive-drafts").checked = false;
    $("archive-all").onchange = () => this.choose();
    $("archive-entries").onchange = ({ target }) => this.mark(Number(target.value), target.checked);
    $("archive-more").onclick = () => this.tried(() => this.showMore());
    $("archive-stop").onclick = () => this.tried(() => call("POST", `/api/runs/${this.row.run_id}/cancel`));
    $("archive-delete").onclick = () => this.tried(() => this.delete());
    $("archive-form").onsubmit = (event) => (event.preventDefault(), this.tried(() => this.start()));
  }

  tried(action) {
    return attempt($("archive-error"), action);
  }

  async load(offset = 0) {
    const options = { signal: this.signal };
    this.row = await call("GET", `${this.path}?limit=${PAGE}&offset=${offset}`, undefined, options);
    $("archive-name").textContent = this.row.filename || "Your archive";
    return this.row;
  }

  /** Waits until the archive is listed, then shows it; goes on with an import that is under way. */
  async watch() {
    while (["uploaded", "reading"].includes(this.row.state)) {
      say($("archive-status"), `Looking through the archive: ${this.row.conversations} conversations so far…`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS));
      await this.load();
    }
    if (this.row.state === "failed") return say($("archive-status"), this.row.error);
    await this.show();
    return this.row.state === "importing" ? this.follow(this.row.run_id) : undefined;
  }

  async show() {
    this.shown = 0;
    this.chosen.clear();
    $("archive-entries").replaceChildren();
    $("archive-form").hidden = false;
    await this.showMore();
    const unreadable = this.row.unreadable ? ` ${this.row.unreadable} of them cannot be read.` : "";
    say($("archive-status"), `${this.row.total} conversations.${unreadable} Nothing is imported before you choose.`);
  }

  async showMore() {
    const { entries, total } = await this.load(this.shown);
    $("archive-entries").append(...entries.map((entry) => this.entryRow(entry)));
    this.shown += entries.length;
    $("archive-more").hidden = this.shown >= total;
    this.choose();
  }

  entryRow(entry) {
    const box = h("input", { type: "checkbox", value: entry.key });
    box.dataset.readable = entry.error_code ? "" : "yes";
    const title = h("strong", { textContent: entry.title || "Untitled" });
    const about = h("span", { className: "about" }, ` · ${entry.source} · ${entry.messages} messages`);
    if (entry.created_at) about.append(" · ", date(entry.created_at));
    const mark = h("span", { className: "tag", textContent: entry.error_code ?? (entry.conversation_id ? "imported before" : "") });
    mark.hidden = !mark.textContent;
    return h("li", { id: `entry-${entry.key}` }, h("label", {}, box, " ", title, about), mark);
  }

  mark(key, isChosen) {
    if (isChosen) this.chosen.add(key);
    else this.chosen.delete(key);
  }

  /** “All” is more than what is shown: each box says so, and none can be taken out. */
  choose() {
    const all = $("archive-all").checked;
    for (const box of $("archive-entries").querySelectorAll("input")) {
      const isReadable = Boolean(box.dataset.readable);
      box.disabled = all || !isReadable;
      box.checked = isReadable && (all || this.chosen.has(Number(box.value)));
    }
  }

  async start() {
    const choice = $("archive-all").checked ? { all: true } : { entries: [...this.chosen] };
    if (choice.entries?.length === 0) return say($("archive-error"), "Choose at least one conversation.");
    const drafts = { generate_drafts: $("archive-drafts").checked, ...chosenModel($("import-model")) };
    const response = await request("POST", streamAt(`${this.path}/start`), { ...choice, ...drafts });
    this.row.run_id = response.headers.get("X-Run-Id");
    return this.follow(this.row.run_id, response);
  }

  async follow(runId, response) {
    this.busy(true);
    const status = $("archive-status");
    let state = "Waiting for its turn…";
    const onEvent = (event) => {
      if (event.type === "result") this.showResult(event);
      state = inWords(event) ?? state;
      say(status, state);
    };
    let end;
    try {
      end = await follow(runId, { response, signal: this.signal, onEvent, onLink: (isUp) => say(status, isUp ? state : "Reconnecting…") });
    } finally {
      if (!this.signal.aborted) this.busy(false);
    }
    const counts = Object.entries(end?.results ?? {}).map(([name, count]) => `${count} ${RESULTS[name] ?? name}`);
    say(status, end?.type === "done" ? `Done: ${counts.join(", ")}.` : "");
    if (end?.type === "error") say($("archive-error"), end.message);
    if (end?.type === "cancelled") say(status, "Stopped. What was imported by then is here.");
    document.dispatchEvent(new Event("changed"));
  }

  showResult({ key, status, conversation_id: conversation }) {
    const mark = $(`entry-${key}`)?.querySelector(".tag");
    if (!mark) return;
    const words = RESULTS[status] ?? status;
    mark.replaceChildren(conversation ? h("a", { href: `#/c/${conversation}`, textContent: words }) : words);
    mark.hidden = false;
  }

  busy(isBusy) {
    $("archive-stop").hidden = !isBusy;
    for (const control of ["archive-start", "archive-delete", "archive-all"]) $(control).disabled = isBusy;
  }

  async delete() {
    await call("DELETE", this.path);
    location.hash = "#/";
  }
}

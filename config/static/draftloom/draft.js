/** The draft of the open conversation: reading, editing, versions, and watching it being written. */

import { attempt, call, Problem, request } from "./api.js";
import { choice, comparison } from "./compare.js";
import { $, button, h, inWords, say, time } from "./dom.js";
import { markdown } from "./markdown.js";
import { chosenModel } from "./models.js";
import { createProject } from "./project.js";
import { follow, oncePerFrame, streamAt } from "./stream.js";

const UNWRITTEN = new Set(["Generating...", "Failed to Generate Project Draft"]); // titles the server puts in its place

/** Title and description of a model's answer, however much of it there is: its tags are not for reading. */
export function partsOf(answer) {
  const inside = (name) => {
    const begun = answer.split(`<${name}>`)[1] ?? "";
    return begun.split(`</${name}>`)[0].replace(/<\/?[a-z]{0,11}$/, "").trim();
  };
  return { title: inside("title"), description: inside("description") };
}

export function showText(element, { title, description }) {
  element.replaceChildren(h("h2", { textContent: title }), markdown(description));
}

/** Watches a run that writes a draft, showing it in `text` and its state in `status`; resolves as `follow` does. */
export async function watchWriting(runId, { response, signal, text, status }) {
  let answer = "";
  let state = "Waiting for its turn…";
  const paint = oncePerFrame(() => answer && !signal.aborted && text.isConnected && showText(text, partsOf(answer)));
  const onEvent = (event) => {
    if (event.type === "reset") answer = "";
    if (event.type === "content") answer += event.content;
    state = inWords(event) ?? state;
    say(status, state);
    paint();
  };
  const end = await follow(runId, { response, signal, onEvent, onLink: (isUp) => say(status, isUp ? state : "Reconnecting…") });
  answer = "";
  return end;
}

/** Who or what made a version, in words. */
function madeBy({ created_by_user_name: name, is_manual_edit: isByHand, model, restored_from: restored }) {
  if (restored) return `Version ${restored}, brought back by ${name}`;
  if (isByHand) return `Edited by ${name}`;
  return model ? `Written by ${model} for ${name}` : `Begun by ${name}`;
}

export class Draft {
  /** `onLocked` is called when the draft has become a project. */
  constructor(conversation, signal, { onLocked }) {
    Object.assign(this, { signal, locked: conversation.is_locked, versions: [], active: null, shown: null, run: null });
    Object.assign(this, { onLocked, conversation: `/api/conversations/${conversation.id}`, project: $("project-create") });
    this.path = `${this.conversation}/project-draft`;
    if (this.project) this.project.onclick = () => this.tried(() => this.become());
    $("draft-edit").onclick = () => this.edit();
    $("draft-write").onclick = () => this.tried(() => this.write());
    $("draft-stop").onclick = () => this.tried(() => call("POST", `/api/runs/${this.run}/cancel`));
    $("draft-form").onsubmit = (event) => (event.preventDefault(), this.tried(() => this.save()));
    $("draft-cancel").onclick = () => this.openForm(false);
    this.openForm(false);
    say($("draft-status"), "");
  }

  tried(action) {
    return attempt($("draft-error"), action);
  }

  async load() {
    const options = { signal: this.signal };
    try {
      const { versions } = await call("GET", `${this.path}/versions`, undefined, options);
      const response = await request("GET", this.path, undefined, options);
      const { project_draft: draft } = await response.json();
      Object.assign(this, { versions, active: draft.active_version, etag: response.headers.get("ETag") });
    } catch (error) {
      if (!(error instanceof Problem && error.code === "draft_not_found")) throw error;
    }
    this.view(this.active);
  }

  /** Shows one version: the active one, or an earlier one with the offer to bring it back. */
  view(version) {
    this.shown = version;
    const isEarlier = version && version.version_id !== this.active?.version_id;
    $("draft-earlier").hidden = !isEarlier;
    $("draft-earlier").replaceChildren(...(isEarlier ? this.earlier(version) : []));
    if (version && !(this.run && this.isUnwritten)) showText($("draft-text"), version);
    else $("draft-text").replaceChildren(h("p", { className: "empty", textContent: this.run ? "" : "There is no draft yet." }));
    this.offer();
  }

  look(version) {
    this.view(version);
    this.scrollUp();
  }

  scrollUp() {
    $("draft-reading").scrollIntoView(); // the page on a narrow screen
    $("draft").scrollTop = 0; // the panel on a wide one
  }

  earlier(version) {
    return [
      h("p", { textContent: `This is version ${version.version_number}, not the current one.` }),
      this.bringBackButton(version, "Bring back", "primary"),
      button("Show the current one", () => this.look(this.active)),
    ];
  }

  /** Shows in the draft's place what has changed between two versions, by default since this one. */
  async compare(version, other = this.counterpart(version)) {
    const content = await comparison(this.path, version, other, { signal: this.signal });
    this.view(version);
    const others = this.versions.filter((one) => one !== version);
    const label = `Bring back version ${version.version_number}`;
    $("draft-earlier").hidden = false;
    $("draft-earlier").replaceChildren(
      choice(version, others, other, (chosen) => this.tried(() => this.compare(version, chosen))),
      ...(this.canBringBack(version) ? [this.bringBackButton(version, label, "primary")] : []),
      button("Show the text", () => this.look(version)),
    );
    $("draft-text").replaceChildren(content);
    this.scrollUp();
  }

  /** What a version is compared with: the current one, and that with the one before. */
  counterpart(version) {
    const isActive = version.version_id === this.active?.version_id;
    return this.versions[isActive ? this.versions.indexOf(version) + 1 : 0] ?? this.versions[0];
  }

  canBringBack(version) {
    return !this.locked && version.version_id !== this.active?.version_id;
  }

  bringBackButton(version, label, className) {
    return button(label, () => this.tried(() => this.bringBack(version)), className);
  }

  get isUnwritten() {
    return !this.active || UNWRITTEN.has(this.active.title);
  }

  offer() {
    const write = $("draft-write");
    write.hidden = this.locked || Boolean(this.run);
    write.className = this.isUnwritten ? "primary" : "quiet";
    $("draft-edit").hidden = this.locked || !this.active || (Boolean(this.run) && this.isUnwritten);
    $("draft-stop").hidden = !this.run;
    if (this.project) this.project.hidden = this.locked || Boolean(this.run) || this.isUnwritten;
    $("versions").hidden = !this.versions.length;
    $("versions-label").textContent = `Versions (${this.versions.length})`;
    $("version-list").replaceChildren(...this.versions.map((version) => this.versionRow(version)));
  }

  versionRow(version) {
    const isActive = version.version_id === this.active?.version_id;
    const isShown = version.version_id === this.shown?.version_id;
    const actions = isActive ? [h("span", { className: "tag", textContent: "current" })] : [];
    if (!isShown) actions.push(button("View", () => this.look(version)));
    if (this.versions.length > 1) actions.push(button("Changes", () => this.tried(() => this.compare(version))));
    if (this.canBringBack(version)) actions.push(this.bringBackButton(version, "Bring back"));
    const about = h("span", {}, h("strong", { textContent: `Version ${version.version_number}` }));
    about.append(` · ${madeBy(version)} · `);
    about.append(time(version.created_at));
    return h("li", { className: isShown ? "shown" : "" }, about, h("span", { className: "actions" }, ...actions));
  }

  async bringBack(version) {
    await call("POST", `${this.path}/versions/${version.version_id}/activate`);
    await this.load();
    document.dispatchEvent(new Event("changed"));
  }

  edit() {
    this.edited = this.etag; // of the draft as the one who edits it has seen it
    $("draft-title-input").value = this.shown.title;
    $("draft-description-input").value = this.shown.description;
    this.openForm(true);
    $("draft-title-input").focus();
  }

  openForm(isOpen) {
    $("draft-conflict").hidden = true;
    $("draft-form").hidden = !isOpen;
    $("draft-reading").hidden = $("draft-actions").hidden = isOpen;
  }

  async save() {
    const body = { title: $("draft-title-input").value, description: $("draft-description-input").value };
    try {
      await call("PATCH", this.path, body, { headers: { "If-Match": this.edited } });
    } catch (error) {
      if (error.code === "precondition_failed") return this.askWhose(error);
      throw error;
    }
    return this.close();
  }

  async close() {
    this.openForm(false);
    await this.load();
    document.dispatchEvent(new Event("changed"));
  }

  /** Somebody has saved another text since the form was opened: which of the two is it to be? */
  askWhose({ current, etag }) {
    const { title, version_number: number } = current.project_draft.active_version;
    const keep = () => this.tried(() => ((this.edited = etag), this.save()));
    const text = `The draft was changed while you wrote: version ${number}, “${title}”. Yours is not saved yet.`;
    $("draft-conflict").hidden = false;
    $("draft-conflict").replaceChildren(
      h("p", { textContent: text }),
      button("Keep mine as a new version", keep, "primary"),
      button("Take theirs", () => this.tried(() => this.close())),
    );
  }

  async become() {
    this.project.disabled = true;
    try {
      if (await createProject(this.conversation, this.active)) await this.onLocked();
    } finally {
      this.project.disabled = false;
    }
  }

  async write() {
    const response = await request("POST", streamAt(`${this.path}/generate`), chosenModel($("model")));
    await this.follow(response.headers.get("X-Run-Id"), response);
  }

  async follow(runId, response) {
    this.run = runId;
    this.view(this.active);
    $("draft").ariaBusy = "true";
    let end;
    try {
      const elements = { text: $("draft-text"), status: $("draft-status") };
      end = await watchWriting(runId, { response, signal: this.signal, ...elements });
    } finally {
      this.run = null;
      if (!this.signal.aborted) $("draft").ariaBusy = "false";
    }
    say($("draft-status"), "");
    await this.load();
    if (end?.type === "error" && !this.isUnwritten) say($("draft-error"), end.message);
    document.dispatchEvent(new Event("changed"));
  }
}

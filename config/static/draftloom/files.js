/** Files of a conversation: those waiting in the composer, and those that were sent. */

import { attempt, call, Problem, request } from "./api.js";
import { $, button, h, say } from "./dom.js";

const MOST_BYTES = 10 * 1024 * 1024; // the server's limit, told before the upload instead of after it
const ASK_AGAIN = 1500; // milliseconds
const ASK_TIMES = 40;

/** The files that the next message takes along. `onChange` is called whenever `isUploading` may have changed. */
export class Attachments {
  constructor(conversation, signal, { me, onChange }) {
    Object.assign(this, { path: `/api/conversations/${conversation.id}/files`, signal, me, onChange, files: [] });
    this.list = $("attachments");
    this.list.replaceChildren();
    $("attach").onchange = () => (this.add($("attach").files), ($("attach").value = ""));
    $("message").onpaste = (event) => event.clipboardData.files.length && (event.preventDefault(), this.add(event.clipboardData.files));
    this.wireDrop($("chat"), conversation.is_locked);
  }

  wireDrop(zone, isLocked) {
    const carriesFiles = (event) => !isLocked && event.dataTransfer.types.includes("Files");
    zone.ondragover = (event) => carriesFiles(event) && (event.preventDefault(), zone.classList.add("over"));
    zone.ondragleave = (event) => zone.contains(event.relatedTarget) || zone.classList.remove("over");
    zone.ondrop = (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      zone.classList.remove("over");
      this.add(event.dataTransfer.files);
    };
  }

  /** Shows the files that were brought here before, and not sent yet. */
  async load() {
    const { files } = await call("GET", this.path, undefined, { signal: this.signal });
    for (const file of files.filter((each) => !each.chat_message_id && each.uploaded_by_user_id === this.me.id)) {
      this.show(new Chip(file.filename, file.file_size, (chip) => this.remove(chip))).settle(file);
    }
    await this.watch();
  }

  get ids() {
    return this.files.filter((chip) => chip.id).map((chip) => chip.id);
  }

  get isUploading() {
    return this.files.some((chip) => chip.isUploading);
  }

  add(files) {
    for (const file of files) this.upload(file, this.show(new Chip(file.name, file.size, (chip) => this.remove(chip))));
  }

  show(chip) {
    this.files.push(chip);
    this.list.append(chip.element);
    this.onChange();
    return chip;
  }

  async upload(file, chip) {
    try {
      if (file.size > MOST_BYTES) throw new Problem(413, { detail: "A file may have at most 10 MB." });
      const answer = await post(this.path, file, { chip, signal: this.signal });
      chip.settle(answer.file);
    } catch (error) {
      if (error.name === "AbortError") return;
      chip.fail(error instanceof Problem ? error.message : "The server cannot be reached. Remove the file and try again.");
    }
    this.onChange();
    await attempt($("chat-error"), () => this.watch());
  }

  async remove(chip) {
    chip.sending?.abort();
    await attempt($("chat-error"), async () => {
      if (chip.id) await request("DELETE", `/api/conversations/files/${chip.id}`);
      this.forget(chip);
    });
  }

  forget(chip) {
    this.files = this.files.filter((each) => each !== chip);
    chip.element.remove();
    this.onChange();
  }

  /** Lets go of the files with these ids: a message has taken them along. */
  sent(ids) {
    for (const chip of this.files.filter((each) => ids.includes(each.id))) this.forget(chip);
  }

  /** Follows how far reading the files has come, until it has come to an end. */
  async watch() {
    if (this.isWatching) return;
    this.isWatching = true;
    try {
      for (let asked = 0; asked < ASK_TIMES && this.files.some((chip) => chip.isPending); asked += 1) {
        await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN));
        const { files } = await call("GET", this.path, undefined, { signal: this.signal });
        for (const chip of this.files) chip.settle(files.find((file) => file.id === chip.id));
      }
    } finally {
      this.isWatching = false;
    }
  }
}

/** A file in the composer: its name, how far it has come, and a way to take it out. */
class Chip {
  constructor(name, size, onRemove) {
    Object.assign(this, { name, id: null, isUploading: true, isPending: false });
    this.picture = h("span", { className: "picture" });
    this.state = h("span", { className: "about", textContent: bytes(size) });
    this.bar = h("progress", { max: 1, value: 0, ariaLabel: `Uploading ${name}` });
    const remove = button("×", () => onRemove(this));
    remove.ariaLabel = `Remove ${name}`;
    const words = h("span", { className: "words" }, h("span", { className: "name", textContent: name, title: name }), this.state, this.bar);
    this.element = h("li", {}, this.picture, words, remove);
  }

  progress(share) {
    this.bar.value = share;
  }

  settle(file) {
    if (!file) return;
    Object.assign(this, { id: file.id, isUploading: false, isPending: file.status === "pending" });
    this.bar.hidden = true;
    this.state.textContent = [bytes(file.file_size), reading(file)].filter(Boolean).join(" · ");
    if (file.thumbnail_url && !this.picture.firstChild) this.picture.append(picture(file));
  }

  fail(why) {
    Object.assign(this, { isUploading: false });
    this.bar.hidden = true;
    this.element.classList.add("failed");
    say(this.state, why);
  }
}

/** What is said of reading a file; nobody expects text in a picture. */
function reading({ status, status_detail: why, file_type: type }) {
  if (status === "pending") return "being read…";
  if (status === "failed") return why ?? "could not be read";
  return status === "no_text" && !type.startsWith("image/") ? (why ?? "no text in it") : null;
}

/** The files of a message, or nothing if it has none. */
export function sentFiles({ attachments }) {
  if (!attachments.length) return null;
  return h("ul", { className: "files" }, ...attachments.map((file) => h("li", {}, link(file))));
}

function link(file) {
  const title = [file.filename, bytes(file.file_size), file.status_detail].filter(Boolean).join(" · ");
  const address = { href: `/api/conversations/files/${file.id}/download`, target: "_blank", rel: "noopener", title };
  if (file.thumbnail_url) return h("a", { ...address, className: "picture" }, picture(file));
  return h("a", { ...address, className: "tag" }, file.filename, " ", h("span", { className: "about", textContent: bytes(file.file_size) }));
}

const picture = (file) => h("img", { src: file.thumbnail_url, alt: file.filename, loading: "lazy" });

function bytes(count) {
  if (count < 1024) return `${count} B`;
  return count < 1024 * 1024 ? `${Math.round(count / 1024)} KB` : `${(count / 1024 / 1024).toFixed(1)} MB`;
}

/** Uploads a file and tells the chip how far it is, which `fetch` can't. */
function post(path, file, { chip, signal }) {
  const sending = (chip.sending = new XMLHttpRequest());
  const form = new FormData();
  form.append("file", file, file.name);
  return new Promise((resolve, reject) => {
    sending.upload.onprogress = ({ loaded, total }) => chip.progress(loaded / total);
    sending.onload = () => (sending.status === 200 ? resolve(sending.response) : reject(refusal(sending)));
    sending.onerror = () => reject(new TypeError("no answer"));
    sending.onabort = () => reject(new DOMException("given up", "AbortError"));
    signal.addEventListener("abort", () => sending.abort());
    sending.open("POST", path);
    sending.responseType = "json";
    sending.send(form);
  });
}

function refusal({ status, response }) {
  if (status === 401) document.dispatchEvent(new Event("signed-out"));
  return new Problem(status, response ?? {});
}

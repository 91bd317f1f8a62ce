/** Importing a chat: the form, and watching the import with the questions it may ask. */

import { attempt, call, Problem, request } from "./api.js";
import { uploadArchive } from "./archives.js";
import { $, button, date, h, say } from "./dom.js";
import { watchWriting } from "./draft.js";
import { chosenModel } from "./models.js";
import { streamAt } from "./stream.js";

const MOST_OF_ONE = 25 * 1024 * 1024;
const SEVERAL = "several_conversations";
const LINK = /^https?:\/\/\S+$/;
let begun = null; // what this page imported last: `{id, response, input}`; the input is needed for an answer to a question
let file = null;

export function wireImportForm() {
  const zone = $("drop-zone");
  $("import-form").onsubmit = (event) => (event.preventDefault(), submit());
  $("import-file").onchange = () => choose($("import-file").files[0]);
  $("file-remove").onclick = () => choose(null);
  zone.ondragover = (event) => (event.preventDefault(), zone.classList.add("over"));
  zone.ondragleave = () => zone.classList.remove("over");
  zone.ondrop = (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    choose(event.dataTransfer.files[0] ?? null, event.dataTransfer.getData("text"));
  };
}

function choose(chosen, text = "") {
  file = chosen;
  if (!chosen) $("import-file").value = "";
  if (!chosen && text) $("import-text").value = text;
  $("file-chosen").hidden = !chosen;
  $("file-name").textContent = chosen?.name ?? "";
  $("import-text").disabled = Boolean(chosen);
}

function submit() {
  const text = $("import-text").value.trim();
  if (!file && !text) return say($("import-error"), "Paste a chat or its link, or choose a file.");
  const input = file ? { file } : LINK.test(text) ? { url: text } : { text };
  return begin(input, { duplicate_resolution: "prompt", accept_summarization: false }, $("import-error"));
}

/** Starts an import and goes to the place that watches it. `answers` are the fields that answer its questions. */
async function begin(input, answers, line) {
  $("import-button").disabled = true;
  await attempt(line, () => beginOne(input, answers).catch((error) => beginMany(input, error)));
  $("import-button").disabled = false;
}

async function beginOne(input, answers) {
  if (input.file?.size > MOST_OF_ONE) throw new Problem(413, { code: SEVERAL });
  const fields = { ...input, ...answers, ...chosenModel($("import-model")) };
  const path = `/api/conversations/${input.url ? "import" : "import-file"}`;
  const response = await request("POST", streamAt(path), input.file ? form(fields) : fields);
  begun = { id: response.headers.get("X-Run-Id"), response, input, answers };
  location.hash = `#/r/${begun.id}`;
}

/** A file that holds several conversations is an archive, of which the member chooses. */
async function beginMany({ file }, error) {
  if (!file || error.code !== SEVERAL) throw error;
  await uploadArchive(file);
  choose(null);
}

function form(fields) {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.append(name, value);
  return data;
}

/** Watches an import that has no conversation yet, to its end. Rejects with `Problem` if there is no such run. */
export async function openRun(id, { signal }) {
  const { response, input, answers } = begun?.id === id ? begun : {};
  if (response) begun.response = null; // a body is read once; later visits rejoin
  const status = $("run-status");
  $("run-text").replaceChildren();
  $("run-questions").replaceChildren();
  say($("run-error"), "");
  say(status, "Waiting for its turn…");
  $("run-stop").hidden = false;
  $("run-stop").onclick = () => attempt($("run-error"), () => call("POST", `/api/runs/${id}/cancel`));
  let end;
  try {
    end = await watchWriting(id, { response, signal, text: $("run-text"), status });
  } finally {
    if (!signal.aborted) $("run-stop").hidden = true;
  }
  say(status, "");
  document.dispatchEvent(new Event("changed"));
  await finish(id, end, { input, answers });
}

async function finish(id, end, given) {
  const conversation = end?.conversation?.id ?? (await call("GET", `/api/runs/${id}`)).conversation_id;
  if (end?.type === "done") choose(null);
  if (end?.type === "done") $("import-text").value = "";
  if (conversation) location.replace(`#/c/${conversation}`);
  else if (end?.type === "conflict") askAboutConflict(end, given);
  else if (end?.type === "model_limit_conflict") askAboutLimit(end, given);
  else ask(end?.message ?? "The import was stopped. Nothing was kept.", [backToForm()]);
}

function ask(text, actions, ...more) {
  const question = h("p", { textContent: text });
  $("run-questions").replaceChildren(question, ...more, h("p", { className: "actions" }, ...actions));
}

const backToForm = () => h("a", { href: "#/", className: "quiet button", textContent: "Back to the form" });

function askAboutConflict({ conversations }, { input, answers }) {
  const again = (resolution) => () => begin(input, { ...answers, ...resolution }, $("run-error"));
  const rows = conversations.map(({ id, title, updated_at: updated }) => {
    const update = again({ duplicate_resolution: "update_existing", target_conversation_id: id });
    const open = h("a", { href: `#/c/${id}`, className: "quiet button", textContent: "Open" });
    const actions = h("span", { className: "actions" }, open, input && button("Update it with these messages", update));
    return h("li", {}, h("span", {}, h("strong", { textContent: title }), " · ", date(updated)), actions);
  });
  const anew = input && button("Import as new", again({ duplicate_resolution: "create_new" }), "primary");
  const words = "This chat has been imported before.";
  ask(words, [anew, backToForm()].filter(Boolean), h("ul", { className: "rows" }, ...rows));
}

function askAboutLimit({ message, suggestion }, { input, answers }) {
  const goOn = () => begin(input, { ...answers, ...unasked(answers), accept_summarization: true }, $("run-error"));
  ask(`${message} ${suggestion}`, [input && button("Go on anyway", goOn, "primary"), backToForm()].filter(Boolean));
}

/** A question about the length comes after the one about duplicates, which need not be asked again. */
function unasked({ duplicate_resolution: resolution }) {
  return resolution === "prompt" ? { duplicate_resolution: "create_new" } : {};
}

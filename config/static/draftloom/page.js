/** The page: who is signed in, the list of conversations, and which of them is open (`#/c/ID`, `#/r/RUN`, `#/a/ARCHIVE`, else the form). */

import { attempt, call, Problem } from "./api.js";
import { openArchive } from "./archives.js";
import { openConversation } from "./conversation.js";
import { $, button, date, h, say } from "./dom.js";
import { openRun, wireImportForm } from "./imports.js";
import { offerModels } from "./models.js";
import { wireSearch } from "./search.js";
import { forget, offerUndo } from "./undo.js";

const PAGE = 30;
const MOST = 1000; // rows in one answer
const VIEWS = { c: "conversation", r: "run", a: "archive" };
const NAME = document.title;
const REFUSALS = {
  oauth_error: "You were not signed in, because Google was not allowed to say who you are. Try again.",
  auth_failed: "You were not signed in. Try again; if that does not help, ask an operator whether your address may come in.",
  server_error: "You were not signed in, because Google could not be reached. Try again in a minute.",
};
let me = null;
let next = null; // where the list goes on
let leave = new AbortController();

function show(view) {
  document.body.dataset.view = view;
  for (const name of ["signed-out", "import", ...Object.values(VIEWS)]) $(`${name}-view`).hidden = name !== view;
  $("sidebar").hidden = view === "signed-out";
}

/** Shows the list from its head, as much of it as was shown before. */
async function refreshList() {
  const shown = Math.min(Math.max($("conversations").querySelectorAll('[href^="#/c/"]').length, PAGE), MOST);
  const [listed, { runs }] = await Promise.all([
    call("GET", `/api/conversations?limit=${shown}`),
    call("GET", "/api/runs?state=active"),
  ]);
  const imports = runs.filter((run) => run.kind === "import" && !run.conversation_id);
  $("conversations").replaceChildren(...imports.map(runRow));
  $("no-conversations").hidden = listed.conversations.length + imports.length > 0;
  append(listed);
}

async function showMore() {
  const cursor = next;
  const page = await call("GET", `/api/conversations?limit=${PAGE}&cursor=${cursor}`);
  if (cursor === next) append(page); // else it was pressed twice, or the list is another one by now
}

function append(page) {
  $("conversations").append(...page.conversations.map(conversationRow));
  next = page.next;
  $("more").hidden = !next;
  markOpen();
}

function conversationRow(row) {
  const draft = h("span", { textContent: row.project_draft_title ?? "No draft yet" });
  const about = h("span", { className: "about" }, draft, date(row.updated_at));
  const title = h("span", { className: "title", textContent: row.title });
  return h("li", {}, h("a", { href: `#/c/${row.id}` }, title, about));
}

function runRow(run) {
  const title = h("span", { className: "title", textContent: "Import in progress…" });
  return h("li", {}, h("a", { href: `#/r/${run.id}` }, title, h("span", { className: "about" }, date(run.created_at))));
}

function markOpen() {
  for (const link of $("sidebar").querySelectorAll("a")) {
    const isOpen = link.getAttribute("href") === (location.hash || "#/");
    link.ariaCurrent = isOpen ? "page" : null;
  }
}

/** Opens what the address names, and leaves what was open. */
async function navigate() {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const [, kind, id] = /^#\/([cra])\/([\w-]+)$/.exec(location.hash) ?? [];
  document.title = NAME;
  markOpen();
  if (!id) return openForm();
  show(VIEWS[kind]);
  $("conversation-body").hidden = true;
  try {
    const opened = { c: openConversation, r: openRun, a: openArchive }[kind](id, { me, signal });
    await opened.finally(() => (signal.aborted ? null : ($("conversation-body").hidden = false)));
    $("messages").scrollTop = $("messages").scrollHeight; // the newest, now that there is something to scroll
  } catch (error) {
    if (!signal.aborted) showTrouble(error);
  }
  return undefined;
}

function openForm() {
  show("import");
  say($("import-error"), "");
  $("import-text").focus({ preventScroll: true });
}

function showTrouble(error) {
  openForm();
  const words = error instanceof Problem ? error.message : "The server cannot be reached.";
  $("import-error").replaceChildren(words, " ", button("Try again", navigate));
  $("import-error").hidden = false;
}

function signedOut() {
  leave.abort();
  forget();
  me = null;
  $("sign-out").hidden = true;
  $("who").textContent = "Not signed in";
  show("signed-out");
}

/** Says why Google signed nobody in, if the address tells, and takes it out of the address. */
function tellRefusal() {
  const why = new URLSearchParams(location.search).get("error");
  if (why === null) return;
  say($("sign-in-error"), REFUSALS[why] ?? REFUSALS.auth_failed);
  history.replaceState(null, "", location.pathname + location.hash);
}

async function start() {
  const { user, google } = await call("GET", "/api/auth/status");
  $("google").hidden = !google;
  tellRefusal();
  if (!user) return signedOut();
  me = user;
  $("who").textContent = user.name;
  $("who").title = user.email;
  $("sign-out").hidden = false;
  const models = [
    [$("import-model"), "project_draft_generation"],
    [$("model"), "project_draft_chat"],
  ];
  await Promise.all([refreshList(), ...models.map(([select, task]) => attempt($("notice"), () => offerModels(select, task)))]);
  offerUndo();
  addEventListener("hashchange", navigate);
  document.addEventListener("changed", () => attempt($("notice"), refreshList));
  return navigate();
}

function sendOnControlEnter(event) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.form?.requestSubmit();
}

document.addEventListener("signed-out", signedOut);
document.addEventListener("keydown", sendOnControlEnter);
$("sign-out").onclick = () => attempt($("notice"), async () => (await call("POST", "/api/auth/logout"), signedOut()));
$("more").onclick = () => attempt($("notice"), showMore);
wireImportForm();
wireSearch();
attempt($("notice"), start);

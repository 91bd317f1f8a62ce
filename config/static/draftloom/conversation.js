/** An open conversation: its head, the chat it came from, its draft and the chat about it. */

import { attempt, call } from "./api.js";
import { Chat } from "./chat.js";
import { $, date, h } from "./dom.js";
import { Draft } from "./draft.js";
import { markdown } from "./markdown.js";
import { showProject } from "./project.js";
import { showSimilar } from "./search.js";
import { remove } from "./undo.js";

const MESSAGES = 50; // of the imported chat that are shown at once

/** Shows conversation `id` and rejoins what is being written for it. Rejects with `Problem` if it can't be shown. */
export async function openConversation(id, { me, signal }) {
  const path = `/api/conversations/${id}`;
  const conversation = await call("GET", `${path}?messages=0,${MESSAGES}`, undefined, { signal });
  const onLocked = () => lock(conversation, draft, path, signal);
  const draft = new Draft(conversation, signal, { onLocked });
  const chat = new Chat(conversation, signal, { me, onDraft: () => draft.tried(() => draft.load()), onLocked });
  showHead(conversation);
  if (conversation.is_locked) attempt($("conversation-error"), () => showProject(path, { signal }));
  showImported(conversation, path, signal);
  wireHead(conversation, path);
  showSimilar(id, signal);
  const [{ runs }] = await Promise.all([
    call("GET", `${path}/runs?state=active`, undefined, { signal }),
    draft.tried(() => draft.load()),
    chat.tried(() => chat.load()),
  ]);
  for (const run of runs.filter((one) => one.kind !== "summary")) {
    const part = run.kind === "chat_turn" ? chat : draft;
    part.tried(() => part.follow(run.id)); // side by side, until they end or somebody leaves
  }
}

/** What is on the screen of a conversation that has become a project just now. */
function lock(conversation, draft, path, signal) {
  conversation.is_locked = draft.locked = true;
  $("composer").hidden = true;
  showHead(conversation);
  draft.offer();
  document.dispatchEvent(new Event("changed"));
  return attempt($("conversation-error"), () => showProject(path, { signal }));
}

function showHead(conversation) {
  $("conversation-title").textContent = document.title = conversation.title;
  $("locked").hidden = !conversation.is_locked;
  $("rename").hidden = $("delete").hidden = conversation.is_locked;
  const isLink = /^https?:\/\//.test(conversation.url);
  const link = h("a", { href: conversation.url, rel: "noopener noreferrer", target: "_blank", textContent: "original chat" });
  const about = [`Imported by ${conversation.user_name} on `, date(conversation.import_date)];
  $("conversation-about").replaceChildren(...about, ...(isLink ? [" · ", link] : []));
}

function showImported(part, path, signal) {
  const details = $("imported");
  details.open = false;
  details.hidden = !part.imported_chat;
  $("imported-label").textContent = `Imported chat (${messagesInWords(part.imported_chat_total)})`;
  $("imported-messages").replaceChildren();
  $("imported-more").hidden = true;
  details.ontoggle = () => {
    if (details.open && !$("imported-messages").children.length) showMessages(part);
  };
  $("imported-more").onclick = ({ target: { value } }) =>
    attempt($("conversation-error"), async () => {
      const following = await call("GET", `${path}?messages=${value}`, undefined, { signal });
      if ($("imported-more").value === value) showMessages(following); // else it was pressed twice
    });
}

const messagesInWords = (count) => (count === 1 ? "1 message" : `${count} messages`);

function showMessages({ imported_chat: messages, imported_chat_next: next }) {
  $("imported-messages").append(...messages.map(imported));
  $("imported-more").hidden = !next;
  $("imported-more").value = next ?? "";
}

function imported({ role, content }) {
  const name = h("strong", { textContent: role === "user" ? "User" : "Assistant" });
  return h("article", { className: `message ${role}` }, h("header", {}, name), h("div", { className: "prose" }, markdown(content)));
}

function wireHead(conversation, path) {
  const form = $("rename-form");
  const open = (isOpen) => {
    form.hidden = !isOpen;
    $("conversation-heading").hidden = isOpen;
  };
  open(false);
  $("rename").onclick = () => {
    open(true);
    $("rename-input").value = conversation.title;
    $("rename-input").select();
  };
  $("rename-cancel").onclick = () => open(false);
  form.onsubmit = (event) => {
    event.preventDefault();
    attempt($("conversation-error"), async () => {
      const renamed = await call("PATCH", path, { title: $("rename-input").value });
      Object.assign(conversation, renamed.conversation);
      showHead(conversation);
      open(false);
      document.dispatchEvent(new Event("changed"));
    });
  };
  $("delete").onclick = () => attempt($("conversation-error"), () => remove(conversation));
}

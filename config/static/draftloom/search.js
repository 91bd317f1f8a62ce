/** The search box, which shows what it finds in place of the list, and what is like an open conversation. */

import { attempt, call } from "./api.js";
import { $, h } from "./dom.js";

const PAUSE_MS = 300; // of typing, before the server is asked
const HITS = 30;
const INDEXED_MS = 2000; // until a conversation that is new can be compared
const KINDS = {
  conversation: "Title",
  imported_chat: "Imported chat",
  draft_chat: "Chat about the draft",
  project_draft: "Draft",
  attachment: "File",
};
let asking = new AbortController();
let pause = 0;

export function wireSearch() {
  $("search").oninput = () => {
    clearTimeout(pause);
    pause = setTimeout(search, PAUSE_MS);
  };
  $("search-form").onsubmit = (event) => {
    event.preventDefault();
    clearTimeout(pause);
    search();
  };
}

function search() {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const query = $("search").value.trim();
  $("listed").hidden = Boolean(query);
  $("search-result").hidden = !query;
  if (!query) return undefined;
  return attempt($("notice"), async () => {
    const path = `/api/search?limit=${HITS}&q=${encodeURIComponent(query)}`;
    const answer = await call("GET", path, undefined, { signal });
    if (!signal.aborted) show(answer);
  });
}

function show({ results, total_count: total, total_is_capped: isCapped, degraded }) {
  $("found").replaceChildren(...results.map(row));
  const count = `${total}${isCapped ? "+" : ""} ${total === 1 ? "hit" : "hits"}`;
  const about = degraded ? `${count}. Meaning can't be compared at the moment, only words.` : count;
  $("search-status").textContent = total ? about : "Nothing was found.";
}

function row(hit) {
  const title = h("span", { className: "title", textContent: hit.conversation_title });
  const snippet = h("span", { className: "snippet" }, ...marked(hit.content_snippet, hit.highlights));
  const about = h("span", { className: "about", textContent: KINDS[hit.content_type] });
  const isTitle = hit.content_type === "conversation";
  return h("li", {}, h("a", { href: `#/c/${hit.conversation_id}` }, title, isTitle ? null : snippet, about));
}

/** The text with its highlights as `mark`. They count code points, where a string of JavaScript counts halves of some. */
function marked(text, highlights) {
  const points = Array.from(text);
  const parts = [];
  let last = 0;
  for (const [start, end] of highlights) {
    parts.push(points.slice(last, start).join(""));
    parts.push(h("mark", { textContent: points.slice(start, end).join("") }));
    last = end;
  }
  return [...parts, points.slice(last).join("")];
}

/** Says what other conversations are about the same, if there are any; never fails. */
export async function showSimilar(id, signal) {
  $("similar").hidden = true;
  let found = await similar(id, signal);
  if (found && !found.indexed) {
    await new Promise((resolve) => setTimeout(resolve, INDEXED_MS));
    found = signal.aborted ? null : await similar(id, signal);
  }
  const close = (found?.results ?? []).filter((other) => other.is_close);
  if (signal.aborted || !close.length) return;
  const links = close.flatMap((other, number) => [
    number ? ", " : "",
    h("a", { href: `#/c/${other.conversation_id}`, textContent: other.conversation_title }),
    ` (${other.created_by_user_name})`,
  ]);
  $("similar").replaceChildren("Has this been proposed already? Much like it: ", ...links, ".");
  $("similar").hidden = false;
}

const similar = (id, signal) =>
  call("GET", `/api/search/similar?conversation_id=${id}`, undefined, { signal }).catch(() => null);

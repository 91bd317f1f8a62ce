/** Elements, and the words and times on them. */

export const $ = (id) => document.getElementById(id);

/** A new element with these properties and children. A string becomes text, never markup. */
export function h(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children.filter((child) => child != null));
  return element;
}

export const button = (label, onclick, className = "quiet") =>
  h("button", { type: "button", textContent: label, onclick, className });

const minute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

/** A moment in the reader's language and time zone. */
export function time(iso, format = minute) {
  return h("time", { dateTime: iso, textContent: format.format(new Date(iso)) });
}

export const date = (iso) => time(iso, day);

/** Writes into one of the page's message lines; an empty text hides it. */
export function say(element, text) {
  element.textContent = text;
  element.hidden = !text;
}

export const STATES = {
  importing: "Reading the chat…",
  extracting_chat_keywords: "Looking for the subject…",
  retrieving_memories: "Remembering related work…",
  summarizing: "Summarizing a long chat…",
  generating: "Writing the draft…",
  analyzing_request: "Reading your message…",
  executing_tools: "Working on it…",
  updating_project_draft: "Changing the draft…",
  creating_linear_project: "Creating the project…",
  generating_response: "Writing the answer…",
  retrying: "The model is busy. Trying again…",
  restarting: "Interrupted. Starting again…",
};

/** What a stream's `state`, `status` or `progress` event means, or nothing for another event. */
export function inWords(event) {
  if (event.type !== "progress") return STATES[event.state ?? event.status];
  if (event.phase === "shortened") return `Writing the draft from a shortened chat (${share(event)} of it)…`;
  return `Working: ${share(event)}…`;
}

const share = ({ current, total }) => `${Math.round((100 * current) / Math.max(total, 1))} %`;

/** Taking a deletion back: a line that stays, through reloads too, until it is used, closed, or followed by another. */

import { attempt, call, Problem } from "./api.js";
import { $, button, date, h } from "./dom.js";

const KEPT = "deleted";

/** Deletes a conversation and offers to take that back. Rejects with `Problem`. */
export async function remove({ id, title }) {
  const { restorable_until: until } = await call("DELETE", `/api/conversations/${id}`);
  sessionStorage.setItem(KEPT, JSON.stringify({ id, title, until }));
  offerUndo();
  document.dispatchEvent(new Event("changed"));
  location.hash = "#/";
}

/** Shows the line for what was deleted last in this tab, if it can still be restored. */
export function offerUndo() {
  const deleted = JSON.parse(sessionStorage.getItem(KEPT));
  $("undo").hidden = !deleted || new Date(deleted.until) <= new Date();
  if ($("undo").hidden) return;
  const words = h("span", {}, `“${deleted.title}” is deleted. It can be restored until `, date(deleted.until), ".");
  const undo = button("Undo", () => attempt($("notice"), () => restore(deleted)));
  $("undo").replaceChildren(words, undo, button("Close", forget));
}

/** Forgets what was deleted: also when somebody else signs in here. */
export function forget() {
  sessionStorage.removeItem(KEPT);
  offerUndo();
}

async function restore({ id }) {
  try {
    await call("POST", `/api/conversations/${id}/restore`);
  } catch (error) {
    if (error instanceof Problem && error.status === 404) forget(); // its time is over
    throw error;
  }
  forget();
  document.dispatchEvent(new Event("changed"));
  location.hash = `#/c/${id}`;
}

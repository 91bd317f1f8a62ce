/** What has changed between two versions of the draft, in elements and signs that need no colour. */

import { call } from "./api.js";
import { h } from "./dom.js";

const ELEMENTS = { equal: "span", delete: "del", insert: "ins" };
const SIGNS = { equal: "", delete: "−", insert: "+", change: "±" };
const COARSE = "These versions are so long and so different that only larger pieces are compared.";

/** An element that shows how the newer one of two versions came of the older one. */
export async function comparison(path, one, other, options) {
  const [from, to] = inOrder(one, other);
  const query = `from=${from.version_id}&to=${to.version_id}`;
  const { title, description } = await call("GET", `${path}/versions/compare?${query}`, undefined, options);
  const { hunks, is_coarse: isCoarse } = description;
  const isSame = !hunks.length && title.segments.every(({ op }) => op === "equal");
  return h(
    "div",
    { className: "comparison" },
    h("h2", {}, ...title.segments.map((segment) => marked(segment))),
    isSame ? h("p", { className: "note", textContent: "These versions have the same text." }) : null,
    isCoarse ? h("p", { className: "note", textContent: COARSE }) : null,
    ...hunks.map(hunkOf),
  );
}

/** The line above a comparison: what is compared, and a choice of other versions to compare with. */
export function choice(version, others, chosen, onChoice) {
  const name = ({ version_number: number }) => `version ${number}`;
  const options = others.map((one) => new Option(name(one), one.version_id, false, one === chosen));
  const onchange = ({ target }) => onChoice(others.find((one) => String(one.version_id) === target.value));
  const isFirst = inOrder(version, chosen)[0] === version;
  const select = h("select", { onchange, ariaLabel: "Version to compare with" }, ...options);
  const [before, between] = isFirst ? [`Changes from ${name(version)} to`, ""] : ["Changes from", `to ${name(version)}`];
  return h("p", { className: "choice" }, before, select, between);
}

function inOrder(one, other) {
  return one.version_number <= other.version_number ? [one, other] : [other, one];
}

function hunkOf({ to_start: start, lines }) {
  const heading = h("p", { className: "about", textContent: `From line ${Math.max(start, 1)}` });
  return h("section", { className: "hunk" }, heading, ...lines.map(lineOf));
}

function lineOf({ op, segments }) {
  const sign = h("span", { className: "sign", ariaHidden: "true", textContent: SIGNS[op] });
  return h("div", { className: `line ${op}` }, sign, h("span", {}, ...segments.map((segment) => marked(segment, op))));
}

/** A piece of a line; of a line that has changed, line ends that did are to be seen. */
function marked({ op, text }, line) {
  const isEnd = line === "change" && op !== "equal";
  const textContent = isEnd ? text.replace(/\r/g, "␍").replace(/\n/g, "↵") : text.replace(/\n$/, "");
  return h(ELEMENTS[op], { textContent });
}

/** Markdown as elements. All text goes in as text nodes, so nothing that a model writes can become markup. */

import { h } from "./dom.js";

const FENCE = /^\s{0,3}(`{3,}|~{3,})/;
const HEADING = /^#{1,6}\s+(.*?)\s*#*$/;
const RULE = /^\s{0,3}([-*_])(?:\s*\1){2,}\s*$/;
const QUOTE = /^\s{0,3}> ?/;
const ITEM = /^(\s*)(?:[-*+•]|(\d{1,9})[.)])\s+(?:\[([ xX])\]\s+)?(.*)$/;
const INLINE = new RegExp(
  [
    /`([^`\n]+)`/, // 1: code
    /(?:\*\*|__)(?=\S)(.{1,2000}?)(?<=\S)(?:\*\*|__)/, // 2: bold
    /(?<![\w*_])[*_](?=[^\s*_])((?:`[^`\n]*`|[^*_`]){1,2000}?)(?<=\S)[*_](?![\w*_])/, // 3: italic
    /\[([^\]\n]{1,1000})\]\((https?:\/\/[^\s)]{1,2000})\)/, // 4, 5: link
    /(https?:\/\/[^\s<>"')\]]{1,2000}[^\s<>"')\].,;:!?])/, // 6: address
  ]
    .map((part) => part.source)
    .join("|"),
  "gs",
);

export function markdown(text) {
  const lines = text.split(/\r?\n/);
  const blocks = document.createDocumentFragment();
  for (let at = 0; at < lines.length; ) {
    const [block, next] = readBlock(lines, at);
    if (block) blocks.append(block);
    at = next;
  }
  return blocks;
}

/** The block that begins at line `at`, and where the next one begins. */
function readBlock(lines, at) {
  const line = lines[at];
  if (!line.trim()) return [null, at + 1];
  if (FENCE.test(line)) return readCode(lines, at);
  if (RULE.test(line)) return [h("hr"), at + 1];
  if (QUOTE.test(line)) return readQuote(lines, at);
  if (ITEM.test(line)) return readList(lines, at);
  const heading = HEADING.exec(line);
  if (heading) return [h(line.startsWith("# ") ? "h3" : "h4", {}, ...inline(heading[1])), at + 1];
  return readParagraph(lines, at);
}

function readCode(lines, at) {
  const fence = FENCE.exec(lines[at])[1];
  let end = at + 1;
  while (end < lines.length && !lines[end].trim().startsWith(fence)) end += 1;
  return [h("pre", {}, h("code", { textContent: lines.slice(at + 1, end).join("\n") })), end + 1];
}

function readQuote(lines, at) {
  let end = at;
  while (end < lines.length && QUOTE.test(lines[end])) end += 1;
  return [h("blockquote", {}, markdown(lines.slice(at, end).map((line) => line.replace(QUOTE, "")).join("\n"))), end];
}

function readParagraph(lines, at) {
  let end = at + 1;
  while (end < lines.length && lines[end].trim() && ![FENCE, HEADING, QUOTE, ITEM].some((mark) => mark.test(lines[end]))) {
    end += 1;
  }
  return [h("p", {}, ...inline(lines.slice(at, end).join("\n"))), end];
}

function readList(lines, at) {
  const open = []; // the lists that the line is in, the outermost first
  for (; at < lines.length; at += 1) {
    const item = ITEM.exec(lines[at]);
    if (item) addItem(open, item);
    else if (/^\s+\S/.test(lines[at])) open.at(-1).list.lastElementChild.append("\n", ...inline(lines[at].trim()));
    else break;
  }
  return [open[0].list, at];
}

function addItem(open, [, { length: indent }, number, box, text]) {
  while (open.length > 1 && indent < open.at(-1).indent) open.pop();
  if (!open.length || indent > open.at(-1).indent + 1) {
    const list = number ? h("ol", { start: Number(number) }) : h("ul");
    open.at(-1)?.list.lastElementChild.append(list);
    open.push({ indent, list });
  }
  const tick = box && h("input", { type: "checkbox", disabled: true, checked: box !== " ", ariaLabel: "Step" });
  open.at(-1).list.append(h("li", { className: box ? "step" : "" }, tick, ...inline(text)));
}

function inline(text) {
  const nodes = [];
  let at = 0;
  for (const found of text.matchAll(INLINE)) {
    nodes.push(text.slice(at, found.index), inlineElement(found));
    at = found.index + found[0].length;
  }
  return [...nodes, text.slice(at)].filter((node) => node !== "");
}

function inlineElement([, code, bold, italic, label, target, address]) {
  if (code) return h("code", { textContent: code });
  if (bold) return h("strong", {}, ...inline(bold));
  if (italic) return h("em", {}, ...inline(italic));
  return h("a", { href: target ?? address, rel: "noopener noreferrer", target: "_blank", textContent: label ?? address });
}

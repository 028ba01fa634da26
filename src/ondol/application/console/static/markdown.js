/* Markdown to elements. `marked` only cuts the text into tokens; every node is made here with textContent, so nothing in an answer is ever
   parsed as HTML: raw HTML shows as text, images as their alternative text, and links lead to http, https and mailto only. */

import { element } from "./dom.js";
import { t } from "./messages.js";
import { Marked } from "./vendor/marked.esm.js";

const DEPTH_MAX = 16;
const LINK_SCHEMES = new Set(["http:", "https:", "mailto:"]);
const MARKER = /\[(\d{1,3})\]|\uE000(\d+)\uE001/g;
const CHECK = /\uE000\d+\uE001/g; // where a checked sentence ends: two characters of the private use area around its place in the list
const ENCODED_CHECK = /%EE%80%80\d+%EE%80%81/g;
const RESERVED = /[\uE000\uE001\r]/;
const UNFINISHED_END = /(?:\[\d{0,3}|\*+|(?<=^|\n)`{1,2})$/;
const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&nbsp;": "\u00a0" };
const ALIGNMENTS = new Set(["left", "center", "right"]);

const marked = new Marked({ gfm: true });
marked.use({
  tokenizer: {
    // [1] is a citation here, never a link whose target a document could define further down.
    def() {},
    reflink() {},
    // CommonMark leaves **"이런"**처럼 unbold, because a letter follows the closing quote; Korean particles always do that.
    emStrong(source) {
      const match = /^\*\*([^\s*](?:[^*\n]*[^\s*])?)\*\*/.exec(source);
      return match ? { type: "strong", raw: match[0], text: match[1], tokens: this.lexer.inlineTokens(match[1]) } : false;
    },
  },
});

/**
 * All blocks of a text as nodes. `cite(number)` makes the node of a citation, or null where there is no such source; `check(place)` the mark of
 * the sentence that a text which went through `withChecks` names.
 */
export function render(text, cite, check = () => null) {
  return blocks(marked.lexer(text), { cite, check, depth: 0, inLink: false });
}

/** A text in which the end of each checked sentence is marked; `ends` count characters, as Python does. A text that holds such marks of its own gets none. */
export function withChecks(text, ends) {
  if (RESERVED.test(text)) return text.replace(/[\uE000\uE001]/g, "");
  const characters = Array.from(text);
  const places = new Map(ends.map((end, place) => [end, place]));
  let marked = "";
  for (let at = 0; at <= characters.length; at++) {
    const line = marked.slice(marked.lastIndexOf("\n") + 1);
    // Behind a fence, a rule or a row of a table's head a mark would make something else of it.
    if (places.has(at) && /[\p{L}\p{N}]/u.test(line) && !/^\s*(?:```|~~~)/.test(line)) marked += `\uE000${places.get(at)}\uE001`;
    marked += characters[at] ?? "";
  }
  return marked;
}

/**
 * Renders an answer as it grows into `target`. A block is settled as soon as another one follows it; only the last block is made anew,
 * and at most once per frame.
 */
export class GrowingMarkdown {
  constructor(target, cite, onRender) {
    this.target = target;
    this.cite = cite;
    this.onRender = onRender;
    this.text = "";
    this.tail = "";
    this.tailNodes = [];
    this.frame = 0;
  }

  append(chunk) {
    const text = chunk.replace(/\r\n?/g, "\n"); // the lexer would, and then its lengths would not fit ours
    this.text += text;
    this.tail += text;
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = 0;
    const tokens = marked.lexer(presentable(this.tail));
    const last = tokens.findLastIndex((token) => token.type !== "space");
    const settled = tokens.slice(0, Math.max(last, 0));
    this.tail = this.tail.slice(settled.reduce((length, token) => length + token.raw.length, 0));
    const context = { cite: this.cite, check: () => null, depth: 0, inLink: false };
    for (const node of this.tailNodes) node.remove();
    this.target.append(...blocks(settled, context));
    const tail = tokens.slice(settled.length).filter((token) => !(token.type === "paragraph" && token.raw.startsWith("|")));
    this.tailNodes = blocks(tail, context); // a table's head stays away until the line below says that it is one
    this.target.append(...this.tailNodes);
    this.onRender();
  }

  /** Draw the whole text once more, now with final citations and the marks of checked sentences; `partial` where the text ends before its time. */
  finish(cite, { partial = false, ends = [], check = () => null } = {}) {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.target.replaceChildren(...render(partial ? presentable(this.text) : withChecks(this.text, ends), cite, check));
  }
}

/** A growing text without the marks that would flicker: half a citation, and bold or code that is not closed yet. */
function presentable(text) {
  const shown = text.replace(UNFINISHED_END, "");
  const line = shown.slice(shown.lastIndexOf("\n") + 1);
  const inFence = (shown.match(/^ {0,3}(?:```|~~~)/gm)?.length ?? 0) % 2 === 1;
  const isOpen = (mark) => (line.split(mark).length - 1) % 2 === 1;
  if (inFence) return shown;
  if (isOpen("`")) return `${shown}\``;
  return isOpen("**") ? `${shown.trimEnd()}**` : shown;
}

function blocks(tokens, context) {
  return tokens.flatMap((token) => block(token, context));
}

function block(token, context) {
  if (context.depth > DEPTH_MAX) return [document.createTextNode(unmarked(token.raw))];
  const deeper = { ...context, depth: context.depth + 1 };
  switch (token.type) {
    case "space":
      return [];
    case "heading":
      return [element(`h${Math.min(token.depth + 2, 6)}`, {}, ...inlines(token.tokens, deeper))];
    case "paragraph":
      return [element("p", {}, ...inlines(token.tokens, deeper))];
    case "code":
      return [element("pre", { tabindex: "0", role: "group", "aria-label": t("chat.code") }, element("code", {}, unmarked(token.text)))];
    case "blockquote":
      return [element("blockquote", {}, ...blocks(token.tokens, deeper))];
    case "list":
      return [list(token, deeper)];
    case "table":
      return [table(token, deeper)];
    case "hr":
      return [element("hr")];
    case "html":
      return [element("p", {}, unmarked(token.raw))];
    default:
      return inline(token, deeper);
  }
}

function list(token, context) {
  const items = token.items.map((item) => element("li", {}, ...blocks(item.tokens, context)));
  const start = token.ordered && token.start !== 1 ? token.start : null;
  return element(token.ordered ? "ol" : "ul", { start }, ...items);
}

function table(token, context) {
  const cell = (tag, scope) => (content) =>
    element(tag, { scope, class: ALIGNMENTS.has(content.align) ? `align-${content.align}` : null }, ...inlines(content.tokens, context));
  const head = element("thead", {}, element("tr", {}, ...token.header.map(cell("th", "col"))));
  const rows = token.rows.map((row) => element("tr", {}, ...row.map(cell("td", null))));
  return element("div", { class: "table", tabindex: "0", role: "group", "aria-label": t("chat.table") }, element("table", {}, head, element("tbody", {}, ...rows)));
}

function inlines(tokens, context) {
  return tokens.flatMap((token) => inline(token, context));
}

function inline(token, context) {
  if (context.depth > DEPTH_MAX) return [document.createTextNode(unmarked(token.raw))];
  const deeper = { ...context, depth: context.depth + 1 };
  switch (token.type) {
    case "text":
      return token.tokens ? inlines(token.tokens, deeper) : withCitations(token.text, context);
    case "escape":
      return [document.createTextNode(unmarked(token.text))];
    case "strong":
    case "em":
    case "del":
      return [element(token.type, {}, ...inlines(token.tokens, deeper))];
    case "codespan":
      return [element("code", {}, unmarked(token.text))];
    case "br":
      return [element("br")];
    case "link":
      return link(token, deeper);
    case "image":
      return [document.createTextNode(unmarked(token.text))];
    case "checkbox":
      return [document.createTextNode(token.checked ? "☑ " : "☐ ")];
    case "html":
      return /^<br\s*\/?>$/i.test(token.raw) ? [element("br")] : [document.createTextNode(unmarked(token.raw))];
    default:
      return [document.createTextNode(unmarked(token.raw))];
  }
}

function link(token, context) {
  const children = inlines(token.tokens, { ...context, inLink: true });
  let address;
  try {
    address = new URL(token.href.replace(CHECK, "").replace(ENCODED_CHECK, ""));
  } catch {
    return children; // relative or broken: nowhere to lead
  }
  if (!LINK_SCHEMES.has(address.protocol)) return children;
  return [element("a", { href: address.href, target: "_blank", rel: "noopener noreferrer", title: address.href }, ...children)];
}

const unmarked = (text) => text.replace(CHECK, "");

/** Text with its markers turned into citations; inside a link they stay text, since a button cannot stand in a link. */
function withCitations(text, context) {
  const nodes = [];
  let from = 0;
  const plain = (part) => unmarked(part).replace(/&(?:amp|lt|gt|quot|#39|nbsp);/g, (entity) => ENTITIES[entity]);
  for (const match of context.inLink ? [] : text.matchAll(MARKER)) {
    const citation = match[1] === undefined ? context.check(Number(match[2])) : context.cite(Number(match[1]));
    if (citation === null) continue;
    // A marker hugs the word it stands behind, so the space that models like to leave there goes.
    nodes.push(plain(text.slice(from, match.index).replace(/[ \t]+$/, "")), citation);
    from = match.index + match[0].length;
  }
  nodes.push(plain(text.slice(from)));
  return nodes.filter((node) => node !== "").map((node) => (typeof node === "string" ? document.createTextNode(node) : node));
}

/* The sources of one answer: a panel beside the conversation, on narrow screens a sheet from below. */

import { slice } from "./citations.js";
import { button, element, icon } from "./dom.js";
import { finding } from "./finding.js";
import { formatDate, t } from "./messages.js";

const ORIGINAL = /^\/documents\/[0-9a-zA-Z-]+\/original$/;
const CLASS_LABELS = {
  public: "sources.class.public",
  internal: "sources.class.internal",
  confidential: "sources.class.confidential",
  restricted: "sources.class.restricted",
};
const LANGUAGE_LABELS = { ko: "sources.language.ko", en: "sources.language.en" };

export class SourcesPanel {
  constructor(onClose) {
    this.dialog = document.getElementById("sources");
    this.body = document.getElementById("sources-body");
    this.narrow = matchMedia("(max-width: 60rem)");
    this.onClose = onClose;
    this.answer = null;
    this.opener = null;
    document.getElementById("sources-close").addEventListener("click", () => this.close());
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.close();
    });
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.close(); // the backdrop: all else lies in children
    });
    this.narrow.addEventListener("change", () => {
      if (!this.isOpen) return;
      this.dialog.close();
      this.reveal();
    });
  }

  get isOpen() {
    return this.dialog.open;
  }

  get isModal() {
    return this.isOpen && this.narrow.matches;
  }

  /** Show the sources of an answer, the one of this number opened. Focus goes there unless `keepFocus`. */
  open(answer, number, opener, { keepFocus = false } = {}) {
    if (this.answer !== answer) {
      this.answer = answer;
      const cards = answer.sources.map((source) => card(source, answer.language));
      this.body.replaceChildren(element("ol", { class: "source-list" }, ...cards), searched(answer.searched));
    }
    this.opener = opener;
    const focused = document.activeElement;
    this.reveal();
    this.show(number, keepFocus ? focused : null);
  }

  /** Show what was found of one sentence: in words, and the passages that it cites with what it rests on marked. Focus goes to the words. */
  openSentence(answer, check, opener) {
    this.answer = null; // the next citation brings the whole list back
    const spans = check.spans ?? [];
    const cited = answer.sources.filter((source) => check.sources?.includes(source.n) || spans.some((span) => span.n === source.n));
    const cards = cited.map((source) => card({ ...source, quotes: spans.filter((span) => span.n === source.n) }, answer.language, true));
    const [first] = answer.sources;
    const all = first ? button(t("sources.all"), "document", () => this.open(answer, first.n, this.opener), "button small") : null;
    const found = finding(check);
    this.body.replaceChildren(...[found, element("ol", { class: "source-list" }, ...cards), all].filter(Boolean));
    this.opener = opener;
    this.reveal();
    this.body.scrollTop = 0;
    found.querySelector("h3").focus({ preventScroll: true });
  }

  close() {
    if (!this.isOpen) return;
    this.dialog.close();
    document.body.classList.remove("with-sources");
    const opener = this.opener?.isConnected ? this.opener : null;
    this.opener = null;
    this.onClose(opener);
  }

  /** Forget everything, as for a new conversation. */
  clear() {
    this.opener = null;
    this.close();
    this.answer = null;
    this.body.replaceChildren();
  }

  reveal() {
    if (!this.isOpen) {
      if (this.narrow.matches) this.dialog.showModal();
      else this.dialog.show();
    }
    document.body.classList.toggle("with-sources", !this.narrow.matches);
  }

  show(number, focused) {
    for (const details of this.body.querySelectorAll("details")) {
      const wanted = details.dataset.number === String(number);
      if (wanted) details.open = true;
      details.classList.toggle("current", wanted);
      if (!wanted) continue;
      const target = details.querySelector("mark") ?? details;
      (focused ?? details.querySelector("summary")).focus({ preventScroll: true });
      scrollInside(this.body, details, target);
    }
  }
}

/** Bring a card to the top of its list, or its mark to the middle where the card is taller than the list. */
function scrollInside(body, details, target) {
  const top = details.getBoundingClientRect().top - body.getBoundingClientRect().top + body.scrollTop;
  const markTop = target.getBoundingClientRect().bottom - details.getBoundingClientRect().top;
  const extra = Math.max(0, markTop - body.clientHeight * 0.7);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  body.scrollTo({ top: top - 12 + extra, behavior: calm ? "instant" : "smooth" });
}

function card(source, answerLanguage, isOpen = false) {
  const summary = element(
    "summary",
    {},
    element("span", { class: "source-number", "aria-hidden": "true" }, String(source.n)),
    element("span", { class: "source-heading" }, element("span", { class: "source-title" }, source.title), meta(source, answerLanguage)),
    icon("chevron"),
  );
  const inside = element(
    "div",
    { class: "source-inside" },
    source.headings?.length ? headings(source.headings) : null,
    element("blockquote", { class: "source-text", lang: source.language }, ...marked(source)),
    element("p", { class: "source-foot" }, element("span", { class: "source-path" }, source.path), original(source)),
  );
  return element("li", {}, element("details", { class: "source", "data-number": source.n, open: isOpen }, summary, inside));
}

function meta(source, answerLanguage) {
  const parts = [source.attached ? element("span", { class: "tag" }, icon("clip"), t("sources.attached")) : classBadge(source.security_class)];
  if (source.version && !source.attached) parts.push(element("span", {}, t("sources.version", { number: source.version })));
  const validity = validityText(source);
  if (validity) parts.push(element("span", {}, validity));
  const label = LANGUAGE_LABELS[source.language];
  if (label && source.language !== answerLanguage) parts.push(element("span", { class: "tag" }, icon("globe"), t(label)));
  return element("span", { class: "source-meta" }, ...parts);
}

function classBadge(securityClass) {
  const key = CLASS_LABELS[securityClass];
  if (!key) return null;
  const name = t(key);
  const lock = securityClass === "public" ? null : icon("lock");
  return element("span", { class: `tag class-${securityClass}` }, lock, element("span", { class: "visually-hidden" }, t("sources.class_label", { name })), element("span", { "aria-hidden": "true" }, name));
}

function validityText(source) {
  const from = source.valid_from && formatDate(source.valid_from);
  const until = source.valid_until && formatDate(source.valid_until);
  if (from && until) return t("sources.between", { from, until });
  if (from) return t("sources.from", { from });
  return until ? t("sources.until", { until }) : "";
}

function headings(names) {
  const items = names.map((name) => element("li", {}, name));
  return element("ol", { class: "source-place", "aria-label": t("sources.location") }, ...items);
}

/** The passage with its quoted spans marked; spans that overlap or leave the text are clipped. */
function marked(source) {
  const nodes = [];
  let at = 0;
  const spans = [...(source.quotes ?? [])].sort((first, second) => first.start - second.start);
  for (const { start, end } of spans) {
    const from = Math.max(start, at);
    if (end <= from) continue;
    nodes.push(slice(source.text, at, from), element("mark", { "data-label": `${t("sources.quoted")}: ` }, slice(source.text, from, end)));
    at = end;
  }
  nodes.push(slice(source.text, at));
  return nodes;
}

function original(source) {
  if (!ORIGINAL.test(source.original_url ?? "")) return null;
  const label = t("sources.open_label", { title: source.title });
  return element("a", { class: "button small", href: source.original_url, target: "_blank", rel: "noopener noreferrer", "aria-label": label }, icon("download"), element("span", {}, t("sources.open")));
}

function searched(facts) {
  if (!facts) return "";
  const parts = [t("sources.searched", { base: facts.base, count: facts.passages_considered })];
  if (facts.files) parts.push(t("sources.searched_files", { count: facts.files }));
  return element("p", { class: "source-searched" }, facts.alone ? parts.at(-1) : parts.join(" · "));
}

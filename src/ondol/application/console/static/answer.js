/* One turn of the conversation: the question, its answer as it comes, and how it ended. */

import { citation, pendingCitation } from "./citations.js";
import { announce, button, element, icon } from "./dom.js";
import { accessRequest, feedback } from "./feedback.js";
import { sentenceMark } from "./finding.js";
import { GrowingMarkdown } from "./markdown.js";
import { t } from "./messages.js";

const STAGES = [
  ["searching", "chat.stage.searching"],
  ["reading", "chat.stage.reading"],
  ["writing", "chat.stage.writing"],
  ["checking", "chat.stage.checking"],
];
const COPIED_FOR_MS = 2000;
const STAGE_SAID_AFTER_MS = 3000;

let turnsMade = 0;

/**
 * `state` is "streaming", then one of "done", "refused", "guarded", "withheld", "stopped" or "failed".
 * `place` is where it stands in its thread: `id` (null until it is kept), `parent`, and `siblings`, the ids of all that follow the same parent.
 * `actions` has readOnly (nothing can be asked here), openSources(answer, number, opener), openSentence(answer, check, opener), retry(turn),
 * edit(turn, question), address(id), copied() and grew().
 */
export class Turn {
  constructor(question, place, preview, actions) {
    const heading = `asked-${++turnsMade}`;
    this.question = question;
    this.place = place;
    this.preview = preview;
    this.actions = actions;
    this.state = "streaming";
    this.facts = null;
    this.heading = element("h2", { class: "question", id: heading }, question);
    this.tools = element("div", { class: "question-tools" });
    this.text = element("div", { class: "answer-text" });
    this.foot = element("div", { class: "answer-foot" });
    this.article = element("article", { class: "answer", tabindex: "-1", "aria-labelledby": heading }, this.text, this.foot);
    this.node = element("li", { class: "turn" }, this.heading, this.tools, this.article);
    this.growing = new GrowingMarkdown(this.text, pendingCitation, () => actions.grew());
    this.begin();
  }

  /** A turn of a thread as the API tells it. */
  static kept(told, preview, actions) {
    const turn = new Turn(told.question, { id: told.id, parent: told.parent, siblings: told.siblings }, preview, actions);
    turn.growing.text = told.answer ?? "";
    if (told.withheld) turn.withhold();
    else turn.finish({ ...told.facts, answer_id: told.id, refused: told.refused }, "stop");
    turn.node.id = `turn-${told.id}`;
    return turn;
  }

  /** What was answered, as Markdown. */
  get answer() {
    return this.growing.text;
  }

  /** It was kept as a turn of its thread. */
  keep(id) {
    this.place.id = id;
    this.place.siblings.push(id);
    this.showTools();
  }

  begin() {
    const steps = STAGES.map(([name, key]) => element("li", { "data-stage": name }, t(key)));
    this.steps = element("ol", { class: "steps", "aria-label": t("chat.progress") }, ...steps);
    this.foot.replaceChildren(this.steps);
    this.stage("searching");
    this.settle("streaming");
  }

  /** Show how far it is; a stage never goes back. */
  stage(name) {
    const reached = STAGES.findIndex(([stage]) => stage === name);
    if (reached < 0 || reached < (this.reached ?? 0)) return;
    if (reached !== this.reached) this.sayLater(STAGES[reached][1]);
    this.reached = reached;
    [...this.steps.children].forEach((step, position) => {
      step.classList.toggle("past", position < reached);
      if (position === reached) step.setAttribute("aria-current", "step");
      else step.removeAttribute("aria-current");
    });
  }

  /** The text begins again: another worker answers for one that is gone. */
  restart() {
    this.snippet?.remove();
    this.growing.finish(pendingCitation);
    this.text.replaceChildren();
    this.growing = new GrowingMarkdown(this.text, pendingCitation, () => this.actions.grew());
    this.reached = 0;
    this.begin();
  }

  /** The connection is cut, and is being made again. */
  showLost(isLost) {
    this.lost?.remove();
    this.lost = isLost ? element("p", { class: "lost faint" }, t("chat.lost")) : null;
    if (this.lost) this.foot.append(this.lost);
  }

  /** A stage is said aloud once it lasts: those of a quick answer would be chatter. */
  sayLater(key) {
    clearTimeout(this.saying);
    this.saying = setTimeout(() => announce(t(key)), STAGE_SAID_AFTER_MS);
  }

  /** The words of a passage that surely answer, until the written answer comes. */
  showSnippet(told) {
    const from = element("p", { class: "snippet-source" }, icon("document"), element("span", {}, told.source?.title ?? ""));
    this.snippet = element("aside", { class: "snippet", "aria-label": t("chat.snippet") }, element("p", { class: "snippet-label" }, t("chat.snippet")), element("blockquote", {}, told.text), from);
    this.text.before(this.snippet);
    this.actions.grew();
  }

  append(text) {
    this.snippet?.remove();
    this.stage("writing");
    this.growing.append(text);
  }

  /** The stream ended well; `facts` is what the server says about the answer, null when it says nothing. */
  finish(facts, finishReason) {
    this.facts = facts;
    if (facts?.language) this.text.lang = facts.language;
    if (facts?.refused) {
      this.refuse();
      return;
    }
    if (finishReason === "content_filter") {
      this.guard(facts);
      return;
    }
    const sources = new Map((facts?.sources ?? []).map((source) => [source.n, source]));
    const open = (number, opener) => this.actions.openSources(facts, number, opener);
    const checks = (facts?.verification?.checks ?? []).filter((check) => !check.left_out);
    const ends = checks.map((check) => check.end);
    const check = (place) => sentenceMark(checks[place], (found, opener) => this.actions.openSentence(facts, found, opener));
    this.growing.finish((number) => (sources.has(number) ? citation(sources.get(number), this.preview, open) : null), { ends, check });
    const checked = sources.size > 0;
    const words = finishReason === "length" ? t("chat.cut") : checked ? verdictOf(facts.verification, checks, facts.searched) : t("chat.unchecked");
    const isWhole = checks.every((check) => check.verdict === "supported");
    const mark = finishReason === "length" ? "pause" : !checked ? "document" : isWhole ? "check" : "partial";
    const first = facts?.sources?.[0]?.n;
    const opener = checked ? button(t("sources.count", { count: sources.size }), "document", (event) => open(first, event.currentTarget)) : null;
    this.end("done", mark, words, opener, this.copyButton(), this.againButton(), facts?.answer_id && !this.actions.readOnly ? feedback(facts.answer_id) : null);
  }

  /** A refusal has no sources to show: not even a title may hint at what this person cannot read. */
  refuse() {
    this.growing.finish(() => null);
    this.text.append(element("p", { class: "refusal-hint" }, t("chat.refused_hint")));
    this.end("refused", "unknown", t("chat.refused"), this.facts.answer_id ? accessRequest(this.facts.answer_id) : null);
  }

  /** The operator's policy answered instead, or cut the answer short; what it said stands there already. */
  guard(facts) {
    this.growing.finish(() => null);
    const helped = facts?.guard?.decisions?.input === "answer";
    this.end("guarded", helped ? "document" : "alert", t(helped ? "chat.helped" : "chat.guarded"));
  }

  /** It rests on what the reader may no longer read. */
  withhold() {
    this.text.replaceChildren(element("p", {}, t("chat.withheld")));
    this.end("withheld", "lock", t("chat.withheld_short"), this.againButton());
  }

  stop() {
    this.growing.finish(pendingCitation, { partial: true });
    this.end("stopped", "pause", t("chat.stopped"), this.retryButton(), this.answer ? this.copyButton() : null);
  }

  /** `failure` is an AnswerFailed: its message and hint are the server's own words. */
  fail(failure) {
    const signedOut = failure.status === 401;
    this.growing.finish(pendingCitation, { partial: true });
    const title = element("p", { class: "failure-title" }, icon("alert"), element("span", {}, t("chat.failed")));
    const message = element("p", {}, signedOut ? t("chat.signed_out") : failure.message || t("chat.network"));
    const hint = failure.hint && !signedOut ? element("p", { class: "failure-hint" }, failure.hint) : null;
    const way = signedOut ? element("a", { class: "button small", href: "/sign-in" }, t("chat.sign_in")) : this.retryButton();
    this.text.append(element("div", { class: "failure" }, title, message, hint, way));
    this.foot.replaceChildren();
    this.settle("failed");
  }

  end(state, mark, words, ...buttons) {
    const verdict = element("p", { class: "verdict" }, icon(mark), element("span", {}, words));
    this.foot.replaceChildren(verdict, element("div", { class: "answer-buttons" }, ...buttons.filter(Boolean)));
    this.settle(state);
  }

  settle(state) {
    if (state !== "streaming") {
      clearTimeout(this.saying);
      this.snippet?.remove();
    }
    this.state = state;
    this.showTools();
    this.article.dataset.state = state;
    this.article.setAttribute("aria-busy", String(state === "streaming"));
  }

  /** Below the question: which of several ways this one is, and editing it. */
  showTools() {
    const settled = this.state !== "streaming";
    const edit = settled && !this.actions.readOnly ? button(t("chat.edit"), "new", () => this.edit()) : null;
    this.tools.replaceChildren(...[this.siblingLinks(), edit].filter(Boolean));
  }

  siblingLinks() {
    const { id, siblings } = this.place;
    const at = id ? siblings.indexOf(id) : siblings.length; // one that was not kept stands behind those that were
    if (siblings.length < (id ? 2 : 1)) return null;
    const link = (place, label, mark) =>
      place in siblings ? element("a", { class: "button quiet small square", href: this.actions.address(siblings[place]), "aria-label": label }, icon(mark)) : null;
    const words = id ? element("span", {}, t("chat.sibling", { number: at + 1, count: siblings.length })) : null;
    return element("nav", { class: "siblings", "aria-label": t("chat.siblings") }, link(at - 1, t("chat.sibling_before"), "back"), words, link(at + 1, t("chat.sibling_after"), "on"));
  }

  /** The question becomes a field; asked anew it begins a branch, and what was said before stays. */
  edit() {
    const field = element("textarea", { class: "question-field", rows: "2", maxlength: "4000", "aria-label": t("chat.question") });
    field.value = this.question;
    const close = () => {
      form.replaceWith(this.heading);
      this.showTools();
      this.tools.querySelector("button")?.focus();
    };
    const form = element(
      "form",
      { class: "question-edit" },
      field,
      element("p", { class: "faint" }, t("chat.edit.lead")),
      element("div", { class: "dialog-buttons" }, button(t("chat.edit.cancel"), null, close, "button small"), element("button", { class: "button small primary", type: "submit" }, t("chat.edit.ask"))),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (field.value.trim()) this.actions.edit(this, field.value.trim());
    });
    form.addEventListener("keydown", (event) => {
      if (event.isComposing || event.keyCode === 229) return;
      if (event.key === "Escape") close();
      else if (event.key === "Enter" && !event.shiftKey && event.target === field) form.requestSubmit();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    this.heading.replaceWith(form);
    this.tools.replaceChildren();
    field.focus();
  }

  againButton() {
    return this.place.id && !this.actions.readOnly ? button(t("chat.again"), "retry", () => this.actions.retry(this)) : null;
  }

  retryButton() {
    return button(t("chat.retry"), "retry", () => this.actions.retry(this), "button small");
  }

  copyButton() {
    const node = button(t("chat.copy"), "copy", async () => {
      await copy(this.plainText());
      this.actions.copied();
      node.replaceChildren(icon("check"), element("span", {}, t("chat.copied")));
      setTimeout(() => node.replaceChildren(icon("copy"), element("span", {}, t("chat.copy"))), COPIED_FOR_MS);
    });
    return node;
  }

  /** The answer with its sources by name, so that it still shows where it comes from once it is pasted elsewhere. */
  plainText() {
    const sources = (this.facts?.sources ?? []).map((source) => `[${source.n}] ${source.title}${source.version ? ` (${t("sources.version", { number: source.version })})` : ""}`);
    return sources.length && this.state === "done" ? `${this.answer.trim()}\n\n${t("sources.title")}\n${sources.join("\n")}\n` : this.answer;
  }
}

/** The clipboard API exists on HTTPS and localhost only; elsewhere the old way still works. */
async function copy(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const field = element("textarea", { class: "visually-hidden", readonly: true });
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

/** How many of the sentences that are shown stand in their sources, how many do so in part or not, what was left out, and in which index it was looked. */
function verdictOf(verification, checks, searched) {
  if (!verification?.sentences) return t("chat.checked");
  const shown = verification.sentences - verification.left_out;
  const count = (verdict) => checks.filter((check) => check.verdict === verdict).length;
  const parts = [t("chat.verified", { count: verification.supported, total: shown })];
  if (count("partial")) parts.push(t("chat.verified.partial", { count: count("partial") }));
  if (count("unsupported")) parts.push(t("chat.verified.unsupported", { count: count("unsupported") }));
  if (verification.left_out) parts.push(t("chat.left_out", { count: verification.left_out }));
  if (searched?.index_number) parts.push(t("chat.index", { number: searched.index_number }));
  return parts.join(" · ");
}

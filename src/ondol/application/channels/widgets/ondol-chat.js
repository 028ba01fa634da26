/* <ondol-chat>: an assistant on a site. One file without dependencies; what it draws stands in its own shadow tree and is built without parsing HTML.
   It asks only the host that it was loaded from, and the site's own `token-url` for who is asking. */

const HERE = new URL(".", import.meta.url);
const HISTORY_TURNS_MAX = 6;
const HISTORY_CHARACTERS_MAX = 12_000;
const EVENT_CHARACTERS_MAX = 4_000_000;
const DARK = matchMedia("(prefers-color-scheme: dark)");

const WORDS = {
  ko: {
    open: "상담 열기", close: "닫기", title: "무엇을 도와드릴까요?", question: "질문", send: "보내기", stop: "멈추기", busy: "답변을 쓰는 중입니다.",
    searching: "찾는 중", reading: "읽는 중", writing: "쓰는 중", checking: "확인하는 중", sources: "출처", you: "나", assistant: "도우미",
    refused: "문서에서 답을 찾지 못했습니다.", guarded: "운영 정책에 따라 답하지 않았습니다.", stopped: "멈췄습니다.", cut: "답변이 길이 제한에서 끊겼습니다.",
    failed: "지금은 답할 수 없습니다. 잠시 뒤 다시 물어보세요.", closed: "이 상담은 종료되었습니다.", limited: "질문이 많습니다. 1분 뒤 다시 물어보세요.",
    sign_in: "로그인한 뒤 물어보세요.", helpful: "도움이 됐어요", unhelpful: "도움이 안 됐어요", thanks: "의견을 보내 주셔서 고맙습니다.",
    verified: "모든 문장을 출처와 맞춰 보았습니다.", source: "출처 {n} 보기", hint: "문서를 바탕으로 답하고, 출처를 함께 보여 드립니다.",
  },
  en: {
    open: "Open the chat", close: "Close", title: "How can we help?", question: "Question", send: "Send", stop: "Stop", busy: "An answer is being written.",
    searching: "Searching", reading: "Reading", writing: "Writing", checking: "Checking", sources: "Sources", you: "You", assistant: "Assistant",
    refused: "The documents do not hold the answer.", guarded: "Not answered under the operator's policy.", stopped: "Stopped.", cut: "The answer was cut at its limit.",
    failed: "There is no answer right now. Try again in a moment.", closed: "This chat is closed.", limited: "That were many questions. Try again in a minute.",
    sign_in: "Sign in to ask.", helpful: "Helpful", unhelpful: "Not helpful", thanks: "Thank you for telling us.",
    verified: "Every sentence was checked against its source.", source: "Show source {n}", hint: "Answers come from documents, with their sources.",
  },
};

const STYLE = `
:host { --accent: var(--ondol-accent, #b4451f); --ground: #fff; --soft: #f6f4f1; --line: #dcd7d0; --ink: #1f1b17; --faint: #645c54;
  color-scheme: light; position: fixed; inset: auto 1rem 1rem auto; z-index: 2147483000; font: 15px/1.55 system-ui, "Apple SD Gothic Neo", "Noto Sans KR", sans-serif; color: var(--ink); }
:host([inline]) { position: static; display: block; }
:host([hidden]) { display: none; }
:host(.dark) { --ground: #1d1a18; --soft: #2a2623; --line: #463f39; --ink: #f2ede8; --faint: #b8aea4; --accent: var(--ondol-accent-dark, #ff9a6e); color-scheme: dark; }
* { box-sizing: border-box; }
button, textarea { font: inherit; color: inherit; }
button { cursor: pointer; border: 1px solid var(--line); border-radius: 10px; background: var(--ground); padding: .3rem .7rem; min-height: 36px; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.launch { border: 0; border-radius: 28px; min-height: 52px; padding: 0 1.2rem; background: var(--accent); color: #fff; font-weight: 600; box-shadow: 0 6px 22px rgb(0 0 0 / .22); }
:host(.dark) .launch, :host(.dark) .send { color: #241510; }
.panel { display: flex; flex-direction: column; width: min(400px, calc(100vw - 2rem)); height: min(620px, calc(100dvh - 2rem)); background: var(--ground); border: 1px solid var(--line);
  border-radius: 16px; overflow: hidden; box-shadow: 0 14px 44px rgb(0 0 0 / .22); }
:host([inline]) .panel { width: 100%; height: 32rem; box-shadow: none; }
[hidden] { display: none !important; }
header { display: flex; align-items: center; gap: .5rem; padding: .6rem 1rem; border-bottom: 1px solid var(--line); }
h2 { font-size: 1rem; margin: 0; flex: 1; }
.log { flex: 1; overflow-y: auto; overflow-wrap: anywhere; padding: 1rem; display: flex; flex-direction: column; gap: .9rem; overscroll-behavior: contain; }
.hint, .state, .note { color: var(--faint); font-size: .87rem; margin: 0; }
.asked { align-self: flex-end; max-width: 88%; background: var(--soft); border-radius: 14px 14px 4px 14px; padding: .5rem .8rem; white-space: pre-wrap; margin: 0; }
.answer p, .answer ul { margin: 0 0 .5rem; white-space: pre-wrap; }
.answer ul { padding-left: 1.2rem; }
.mark { min-height: 24px; min-width: 24px; padding: 0 .35rem; font-size: .78rem; border-radius: 7px; vertical-align: baseline; color: var(--accent); }
details { border: 1px solid var(--line); border-radius: 10px; padding: .4rem .7rem; margin-top: .4rem; }
summary { cursor: pointer; min-height: 24px; }
blockquote { margin: .4rem 0; padding-left: .7rem; border-left: 3px solid var(--accent); white-space: pre-wrap; }
.row { display: flex; gap: .4rem; flex-wrap: wrap; align-items: center; margin-top: .5rem; }
form { display: flex; gap: .5rem; padding: .7rem; border-top: 1px solid var(--line); align-items: flex-end; }
textarea { flex: 1; resize: none; max-height: 8rem; min-height: 44px; border: 1px solid var(--line); border-radius: 12px; padding: .6rem .8rem; background: var(--ground); }
.send { background: var(--accent); border-color: var(--accent); color: #fff; min-height: 44px; font-weight: 600; }
.said { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
@media (max-width: 480px) { :host(:not([inline])) { inset: auto .5rem .5rem auto; } .panel { width: calc(100vw - 1rem); height: calc(100dvh - 1rem); } }
@media (prefers-reduced-motion: no-preference) { .panel { transition: opacity .15s; } }
`;

/** An element with attributes and children; what is null is left out. Text is only ever text. */
function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

function press(label, act, attributes = {}) {
  const node = make("button", { type: "button", ...attributes }, label);
  node.addEventListener("click", act);
  return node;
}

class Refused extends Error {
  constructor(status, code = "") {
    super(code);
    this.status = status;
    this.code = code;
  }
}

/** The data of each event of a stream (WHATWG HTML, 9.2.6). */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      if (rest.length > EVENT_CHARACTERS_MAX) throw new Refused(502);
      const parts = rest.split("\n\n");
      rest = parts.pop();
      for (const part of parts) for (const line of part.split("\n")) if (line.startsWith("data: ")) yield line.slice(6);
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

class OndolChat extends HTMLElement {
  static observedAttributes = ["theme"];

  #root = this.attachShadow({ mode: "open" });
  #visit = null;
  #running = null;
  #turns = [];
  #parts = {};

  /** Opens a visit in another way than by `token-url`: an async function that gives what the server answered. */
  openVisit = null;

  connectedCallback() {
    if (this.#root.childNodes.length) return;
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    this.#root.adoptedStyleSheets = [sheet];
    DARK.addEventListener("change", () => this.#dress());
    this.#dress();
    this.#build();
  }

  attributeChangedCallback() {
    if (this.isConnected) this.#dress();
  }

  disconnectedCallback() {
    this.#running?.abort();
  }

  get language() {
    const told = this.getAttribute("lang") || document.documentElement.lang || navigator.language;
    return told.toLowerCase().startsWith("ko") ? "ko" : "en";
  }

  #t(key, places = {}) {
    return WORDS[this.language][key].replace(/\{(\w+)\}/g, (_, name) => String(places[name]));
  }

  #dress() {
    this.classList.toggle("dark", (this.getAttribute("theme") || (DARK.matches ? "dark" : "light")) === "dark");
  }

  #build() {
    const p = this.#parts;
    p.launch = press(this.#t("open"), () => this.#show(true), { class: "launch", "aria-expanded": "false" });
    p.title = make("h2", { id: "title" }, this.getAttribute("heading") || this.#t("title"));
    p.close = press("✕", () => this.#show(false), { "aria-label": this.#t("close") });
    p.log = make("div", { class: "log", tabindex: "0", role: "group", "aria-labelledby": "title" }, make("p", { class: "hint" }, this.#t("hint")));
    p.field = make("textarea", { rows: "1", maxlength: "4000", "aria-label": this.#t("question"), placeholder: this.#t("question") });
    p.send = make("button", { type: "submit", class: "send" }, this.#t("send"));
    p.stop = press(this.#t("stop"), () => this.#running?.abort(), { hidden: "" });
    p.form = make("form", {}, p.field, p.send, p.stop);
    p.said = make("div", { class: "said", role: "status" });
    p.panel = make("section", { class: "panel", "aria-labelledby": "title", lang: this.language }, make("header", {}, p.title, p.close), p.log, p.form, p.said);
    p.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#ask();
    });
    p.field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.#ask();
    });
    p.panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      if (this.#running) this.#running.abort();
      else if (!this.hasAttribute("inline")) this.#show(false);
    });
    const inline = this.hasAttribute("inline");
    p.close.hidden = inline;
    this.#root.append(...(inline ? [p.panel] : [p.launch, p.panel]));
    if (!inline) p.panel.hidden = true;
  }

  #show(open) {
    const { panel, launch, field } = this.#parts;
    panel.hidden = !open;
    launch.hidden = open;
    launch.setAttribute("aria-expanded", String(open));
    (open ? field : launch).focus();
  }

  async #ask() {
    const { field, log, send, stop } = this.#parts;
    const question = field.value.trim();
    if (!question || this.#running) return;
    field.value = "";
    log.querySelector(".hint")?.remove();
    const text = make("div", { class: "answer" });
    const state = make("p", { class: "state" }, this.#t("searching"));
    log.append(make("p", { class: "asked" }, question), make("article", { "aria-label": this.#t("assistant"), "aria-busy": "true" }, text, state));
    log.scrollTop = log.scrollHeight;
    const turn = { question, answer: "", text, state, article: text.parentElement };
    this.#running = new AbortController();
    send.hidden = true;
    stop.hidden = false;
    this.#say(this.#t("busy"));
    try {
      this.#finish(turn, await this.#stream(turn, this.#running.signal));
    } catch (error) {
      this.#fail(turn, error);
    } finally {
      turn.article.setAttribute("aria-busy", "false");
      const held = this.#root.activeElement === stop;
      send.hidden = false;
      stop.hidden = true;
      if (held) field.focus();
      this.#running = null;
    }
  }

  /** Ask, with a fresh visit where the one before is over; the last facts of the answer. */
  async #stream(turn, signal, again = true) {
    this.#visit ??= await this.#open(signal);
    const answer = await this.#post("questions", { question: turn.question, history: this.#history() }, signal);
    if (answer.status === 401 && again) {
      this.#visit = null;
      return this.#stream(turn, signal, false);
    }
    if (!answer.ok || !answer.body) throw await refusal(answer);
    let facts = null;
    let reason = null;
    for await (const data of events(answer.body)) {
      if (data === "[DONE]") return { facts, reason };
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Refused(502, chunk.error.code);
      const choice = chunk.choices?.[0];
      if (chunk.ondol?.stage && !turn.answer) turn.state.textContent = WORDS[this.language][chunk.ondol.stage] ?? "";
      if (choice?.delta?.content) this.#grow(turn, choice.delta.content);
      if (choice?.finish_reason) [facts, reason] = [chunk.ondol ?? null, choice.finish_reason];
    }
    throw new Refused(0);
  }

  async #open(signal) {
    let visit;
    if (typeof this.openVisit === "function") visit = await this.openVisit();
    else {
      const url = this.getAttribute("token-url");
      let identity = "";
      if (url) {
        const told = await fetch(url, { credentials: "same-origin", cache: "no-store", signal });
        if (!told.ok) throw new Refused(told.status, "identity_required");
        identity = (await told.json()).token ?? "";
      }
      const answer = await this.#post("visits", { identity }, signal);
      if (!answer.ok) throw await refusal(answer);
      visit = await answer.json();
    }
    if (!this.hasAttribute("heading") && visit.title?.[this.language]) this.#parts.title.textContent = visit.title[this.language];
    if (visit.notice?.[this.language]) this.#parts.log.prepend(make("p", { class: "note" }, visit.notice[this.language]));
    return visit.token;
  }

  #post(what, body, signal) {
    const headers = { "content-type": "application/json" };
    if (this.#visit) headers.authorization = `Bearer ${this.#visit}`;
    return fetch(new URL(what, HERE), {
      method: "POST", credentials: "omit", cache: "no-store", redirect: "error", referrerPolicy: "no-referrer", headers, body: JSON.stringify(body), signal,
    });
  }

  #history() {
    const told = [];
    let left = HISTORY_CHARACTERS_MAX;
    for (const turn of this.#turns.slice(-HISTORY_TURNS_MAX).reverse()) {
      left -= turn.question.length + turn.answer.length;
      if (left < 0) break;
      told.unshift({ role: "user", content: turn.question }, { role: "assistant", content: turn.answer });
    }
    return told;
  }

  #grow(turn, more) {
    const { log } = this.#parts;
    const following = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
    turn.answer += more;
    turn.state.textContent = this.#t("writing");
    turn.text.replaceChildren(...blocks(turn.answer, null));
    if (following) log.scrollTop = log.scrollHeight;
  }

  #finish(turn, { facts, reason }) {
    const sources = new Map((facts?.sources ?? []).map((source) => [source.n, source]));
    const list = [...sources.values()].map((source) => this.#source(source));
    const mark = (n) => (sources.has(n) ? press(String(n), () => this.#reveal(list, n), { class: "mark", "aria-label": this.#t("source", { n }) }) : null);
    if (facts?.language) turn.text.lang = facts.language;
    turn.text.replaceChildren(...blocks(turn.answer, mark));
    const words = facts?.refused ? "refused" : reason === "content_filter" ? "guarded" : reason === "length" ? "cut" : sources.size ? "verified" : null;
    turn.state.textContent = words ? this.#t(words) : "";
    if (list.length && !facts.refused) turn.article.append(make("div", { "aria-label": this.#t("sources"), role: "group" }, ...list));
    if (facts?.answer_id && !facts.refused && reason === "stop") turn.article.append(this.#opinion(facts.answer_id));
    this.#turns.push(turn);
    this.#say(`${turn.answer.replace(/\[\d+\]/g, "")} ${turn.state.textContent}`);
  }

  #source(source) {
    const quotes = (source.quotes ?? []).map(({ start, end }) => make("blockquote", {}, [...String(source.text)].slice(start, end).join("")));
    const node = make("details", {}, make("summary", {}, `[${source.n}] ${source.title}`), ...quotes);
    node.dataset.n = source.n;
    return node;
  }

  #reveal(list, n) {
    const node = list.find((one) => one.dataset.n === String(n));
    node.open = true;
    node.querySelector("summary").focus();
  }

  #opinion(id) {
    const row = make("div", { class: "row" });
    const give = async (thumb) => {
      const answer = await this.#post("feedback", { id, thumb }).catch(() => null);
      const words = this.#t(answer?.ok ? "thanks" : "failed");
      row.replaceChildren(make("p", { class: "state" }, words));
      this.#say(words);
    };
    row.append(press(this.#t("helpful"), () => give("up")), press(this.#t("unhelpful"), () => give("down")));
    return row;
  }

  #fail(turn, error) {
    const stopped = error.name === "AbortError";
    const code = error instanceof Refused ? error.code : "";
    const closed = code === "widget_revoked" || code === "revoked_api_key" || code === "widget_not_found";
    const words = stopped ? "stopped" : closed ? "closed" : code.startsWith("identity_") ? "sign_in" : error.status === 429 ? "limited" : "failed";
    turn.state.textContent = this.#t(words);
    if (!stopped) turn.state.setAttribute("role", "alert");
    else this.#say(this.#t(words));
    if (closed) [this.#parts.field.disabled, this.#parts.send.disabled] = [true, true];
  }

  #say(text) {
    this.#parts.said.textContent = text;
  }
}

async function refusal(answer) {
  const told = await answer.json().catch(() => null);
  return new Refused(answer.status, String(told?.error?.code ?? ""));
}

/** Paragraphs and lists of an answer; `mark` makes what stands for a citation, or null where it is no source. */
function blocks(text, mark) {
  const found = [];
  let list = null;
  for (const line of text.split(/\n+/)) {
    const item = /^\s*[-*•]\s+(.*)$/.exec(line);
    if (!item) list = null;
    if (!line.trim()) continue;
    if (!item) {
      found.push(make("p", {}, ...inline(line, mark)));
      continue;
    }
    if (!list) found.push((list = make("ul")));
    list.append(make("li", {}, ...inline(item[1], mark)));
  }
  return found;
}

function inline(line, mark) {
  return line.split(/(\[\d{1,3}\]|\*\*[^*]+\*\*|`[^`]+`)/).map((part) => {
    if (part.startsWith("**") && part.endsWith("**") && part.length > 4) return make("strong", {}, part.slice(2, -2));
    if (part.startsWith("`") && part.endsWith("`") && part.length > 2) return make("code", {}, part.slice(1, -1));
    const n = /^\[(\d{1,3})\]$/.exec(part)?.[1];
    return (n && mark?.(Number(n))) || part;
  });
}

if (!customElements.get("ondol-chat")) customElements.define("ondol-chat", OndolChat);

/* The conversation: asking, stopping, asking again and otherwise, and the keyboard. What was answered to its end is kept as turns of a thread. */

import { Turn } from "./answer.js";
import { ask, AnswerFailed, readOn } from "./api.js";
import { Preview, stepCitation } from "./citations.js";
import { announce, announceDone } from "./dom.js";
import { Files } from "./files.js";
import { branch, files as filesTold, t } from "./messages.js";
import { forget, remember, remembered } from "./pending.js";
import { askRecommendation } from "./recommend.js";
import { SourcesPanel } from "./sources.js";
import { addressOf, showThread } from "./threads.js";

const NEAR_END_PX = 80;
const SHORTCUTS_KEY = "ondol-shortcuts";
const SAID = { done: "chat.said.done", refused: "chat.said.refused", guarded: "chat.said.guarded", stopped: "chat.said.stopped", failed: "chat.said.failed" };

const byId = (id) => document.getElementById(id);
const [scroller, empty, list, latest] = ["scroller", "empty", "turns", "latest"].map(byId);
const [composer, question, assistant, send, stop, shortcuts] = ["composer", "question", "assistant", "send", "stop", "shortcuts"].map(byId);

const preview = new Preview();
const panel = new SourcesPanel((opener) => (opener ?? question)?.focus({ preventScroll: true }));
let turns = [];
let thread = branch?.thread.id ?? null;
let running = null;
let visited = null;
let following = true;
let files = null;

const actions = {
  readOnly: !composer,
  openSources(answer, number, opener) {
    visited = opener;
    panel.open(answer, number, opener);
  },
  openSentence: (answer, check, opener) => panel.openSentence(answer, check, opener),
  retry: (turn) => askInstead(turn, turn.question),
  edit: askInstead,
  address: (id) => addressOf(thread, id),
  copied: () => announce(t("chat.said.copied")),
  grew: followEnd,
};

/** Ask a question at the end of the conversation: after the last turn that was kept. */
function start(text) {
  if (!text.trim()) return;
  const parent = turns.findLast((turn) => turn.place.id)?.place.id ?? null;
  add(text.trim(), { id: null, parent, siblings: [] });
}

/** Ask in the place of a turn: what follows it stays in the thread, on a branch of its own. */
function askInstead(turn, text) {
  if (running) return;
  for (const gone of turns.splice(turns.indexOf(turn))) gone.node.remove();
  panel.clear();
  add(text, { id: null, parent: turn.place.parent, siblings: turn.place.siblings });
  readyForMore();
}

function add(text, place, answerId = null) {
  if (running) return;
  document.querySelector(".chat-notes").classList.add("past");
  const turn = new Turn(text, place, preview, actions);
  turns.push(turn);
  list.append(turn.node);
  showConversation();
  following = true;
  followEnd();
  run(turn, answerId);
}

/** Back to the question, but not where that would push a keyboard over the answer. */
function readyForMore() {
  if (matchMedia("(pointer: fine)").matches) question.focus({ preventScroll: true });
  else question.blur();
}

/** What is told of the connection: its answer has an id, it is cut, it is there again. */
function lineOf(turn) {
  return {
    begun: (id) => remember({ id, question: turn.question, thread, parent: turn.place.parent, siblings: turn.place.siblings }),
    lost() {
      turn.showLost(true);
      announce(t("chat.said.lost"));
    },
    found: () => turn.showLost(false),
  };
}

async function run(turn, answerId) {
  const controller = new AbortController();
  running = controller;
  showRunning(true);
  let facts = null;
  let reason = null;
  const line = lineOf(turn);
  const asked = () => ask(assistant.value, [{ role: "user", content: turn.question }], controller.signal, placeOf(turn), line);
  try {
    for await (const chunk of answerId ? readOn(answerId, controller.signal, line) : asked()) {
      if (chunk.ondol?.restarted) turn.restart();
      if (chunk.ondol?.stopped) controller.abort(); // by its asker elsewhere, or because nobody read it
      if (chunk.ondol?.stage) turn.stage(chunk.ondol.stage);
      if (chunk.ondol?.snippet && !chunk.choices?.[0]?.finish_reason) turn.showSnippet(chunk.ondol.snippet);
      const choice = chunk.choices?.[0];
      if (choice?.delta?.content) turn.append(choice.delta.content);
      if (!choice?.finish_reason) continue;
      reason = choice.finish_reason;
      facts = chunk.ondol ?? null;
    }
    if (reason === null) throw new AnswerFailed(0);
    keep(turn, facts?.thread);
    turn.finish(facts, reason);
    if (turn.state === "done") askRecommendation(turn.article);
  } catch (error) {
    if (controller.signal.aborted) turn.stop();
    else if (error instanceof AnswerFailed) turn.fail(error);
    else {
      turn.fail(new AnswerFailed(0));
      throw error;
    }
  } finally {
    forget();
    if (running === controller) {
      running = null;
      showRunning(false);
      announce(t(SAID[turn.state], { count: facts?.sources?.length ?? 0 }));
      followEnd();
    }
  }
}

/** Where a question stands in the thread; the first one begins it. */
function placeOf(turn) {
  return { ...(thread ? { thread, parent: turn.place.parent ?? "start" } : { thread: "new" }), ...files?.place };
}

/** The answer came to its end: it is a turn from now on, and the address is that of its thread. */
function keep(turn, told) {
  if (!told) return;
  const isNew = thread !== told.id;
  thread = told.id;
  files?.belongTo(thread);
  turn.keep(told.turn);
  showThread(thread, isNew);
}

/** A question waits until the files that it is asked about are read. */
function showWaiting() {
  const waits = files?.isBusy ?? false;
  send.disabled = waits;
  send.title = waits ? t("chat.files.wait") : "";
}

function showRunning(on) {
  const hadFocus = document.activeElement === (on ? send : stop);
  send.hidden = on;
  stop.hidden = !on;
  if (hadFocus) (on ? stop : question).focus({ preventScroll: true });
}

function showConversation() {
  empty.hidden = true;
  list.hidden = false;
}

/** The answer that was on its way when the page was loaded anew goes on where it stands by now. */
function pickUp() {
  const waiting = remembered(thread);
  forget();
  if (!waiting || turns.some((turn) => turn.place.id === waiting.id)) return;
  const at = turns.findIndex((turn) => turn.place.parent === waiting.parent);
  for (const gone of at < 0 ? [] : turns.splice(at)) gone.node.remove(); // it was asked in their place
  add(waiting.question, { id: null, parent: waiting.parent ?? null, siblings: waiting.siblings ?? [] }, waiting.id);
}

/** The turns that the server wrote become ones that can be asked again; a link may lead to one of them. */
function takeUp() {
  if (!branch) return;
  turns = branch.turns.map((told) => Turn.kept(told, preview, actions));
  list.replaceChildren(...turns.map((turn) => turn.node));
  const led = new URLSearchParams(location.search).get("turn");
  const target = turns.find((turn) => turn.place.id === led);
  if (target) target.node.scrollIntoView({ block: "start" });
  else followEnd();
}

const nearEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END_PX;

function followed() {
  following = nearEnd();
  latest.hidden = following;
}

function followEnd() {
  if (following) scroller.scrollTop = scroller.scrollHeight;
  latest.hidden = following || nearEnd();
}

function fitQuestion() {
  question.style.height = "auto";
  question.style.height = `${question.scrollHeight}px`;
}

function submit() {
  if (running) return;
  if (files?.isBusy) {
    announce(t("chat.files.wait"));
    return;
  }
  files?.asked();
  const text = question.value;
  question.value = "";
  fitQuestion();
  start(text);
  readyForMore();
}

function step(by) {
  const marker = stepCitation(list, document.activeElement?.closest?.(".citation button") ?? visited, by);
  if (!marker) return false;
  visited = marker;
  marker.scrollIntoView({ block: "nearest" });
  if (panel.isOpen) {
    const turn = turns.find((candidate) => candidate.node.contains(marker));
    panel.open(turn.facts, Number(marker.textContent), marker, { keepFocus: !panel.isModal });
  }
  if (!panel.isModal) marker.focus();
  return true;
}

/** Escape closes what lies on top; with nothing on top it leaves the question for the latest answer, where [ and ] work. */
function escape() {
  if (preview.visible) preview.hide();
  else if (running) running.abort();
  else if (panel.isOpen) panel.close();
  else if (document.activeElement === question) turns.at(-1)?.article.focus({ preventScroll: true });
  else return false;
  return true;
}

function handleKey(event) {
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog:modal, [popover]:popover-open") && !(panel.isModal && event.key !== "Escape")) return;
  let handled = false;
  if (event.key === "Escape") handled = escape();
  else if (!shortcuts.checked || event.target.closest?.("input, textarea, select")) return;
  else if (event.key === "/") handled = focusQuestion();
  else if (event.key === "?") handled = showKeys();
  else if (event.key === "[") handled = step(-1);
  else if (event.key === "]") handled = step(1);
  if (handled) event.preventDefault();
}

function focusQuestion() {
  if (panel.isModal) panel.close();
  question.focus();
  return true;
}

function showKeys() {
  byId("keys-dialog").showModal();
  return true;
}

/** In an empty question field, up-arrow takes the last question up again. */
function editLast(event) {
  if (event.key !== "ArrowUp" || question.value || running || event.isComposing) return;
  const last = turns.at(-1);
  if (!last || last.state === "streaming") return;
  event.preventDefault();
  last.edit();
  last.node.scrollIntoView({ block: "nearest" });
}

/** Single keys can be switched off (WCAG 2.2, 2.1.4); the choice is remembered in this browser. */
function prepareShortcuts() {
  const show = () => document.body.classList.toggle("without-letter-keys", !shortcuts.checked);
  try {
    shortcuts.checked = localStorage.getItem(SHORTCUTS_KEY) !== "off";
  } catch {
    // storage is switched off: they start switched on
  }
  shortcuts.addEventListener("change", () => {
    try {
      localStorage.setItem(SHORTCUTS_KEY, shortcuts.checked ? "on" : "off");
    } catch {
      // storage is switched off: the choice holds for this page only
    }
    show();
  });
  show();
}

function prepareLanguageSwitch() {
  byId("switch-language").addEventListener("click", (event) => {
    if (turns.every((turn) => turn.place.id)) return;
    event.preventDefault();
    byId("language-dialog").showModal();
  });
}

function prepare() {
  composer.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  question.addEventListener("input", fitQuestion);
  question.addEventListener("keydown", editLast);
  byId("show-keys").addEventListener("click", showKeys);
  byId("show-keys").hidden = false;
  question.addEventListener("keydown", (event) => {
    // While a syllable is being composed, Enter belongs to the input method (229 is how Safari says so).
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    submit();
  });
  stop.addEventListener("click", () => running?.abort());
  latest.addEventListener("click", () => {
    following = true;
    followEnd();
    readyForMore();
  });
  scroller.addEventListener("scroll", followed, { passive: true });
  for (const example of document.querySelectorAll(".example")) {
    example.addEventListener("click", () => {
      start(example.textContent);
      readyForMore();
    });
  }
  document.addEventListener("keydown", handleKey);
  prepareShortcuts();
  prepareLanguageSwitch();
  takeUp();
  pickUp();
  if (filesTold) files = new Files(filesTold, thread, () => showWaiting());
  showWaiting();
}

if (composer) prepare();
else takeUp();
announceDone();

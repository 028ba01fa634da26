/* Asking how likely somebody would recommend the assistant: sparingly, below an answer. Whether to ask, the server says. */

import { announce, button, element, icon } from "./dom.js";
import { t } from "./messages.js";

const PATH = "/api/v1/me/recommendation";
const HEADERS = { "content-type": "application/json", "x-ondol-request": "console" };
const SCORE_MAX = 10;

let hasAsked = false;

/** Ask below an element, once for a page at most; nothing where it is not to be asked, or cannot be. */
export async function askRecommendation(below) {
  if (hasAsked) return;
  hasAsked = true;
  const told = await call("POST", `${PATH}/ask`);
  if (told?.ask) below.append(form());
}

function form() {
  const scores = Array.from({ length: SCORE_MAX + 1 }, (_, score) => {
    const label = t("chat.recommend.score", { score });
    const node = element("button", { type: "button", class: "button small", "aria-label": label }, String(score));
    node.addEventListener("click", () => answer(score));
    return node;
  });
  const node = element(
    "div",
    { class: "recommend", role: "group", "aria-label": t("chat.recommend") },
    element("p", {}, t("chat.recommend")),
    element("div", { class: "recommend-scores" }, ...scores),
    element("p", { class: "recommend-ends faint" }, element("span", {}, t("chat.recommend.low")), element("span", {}, t("chat.recommend.high"))),
    button(t("chat.recommend.later"), null, () => node.remove()),
  );

  async function answer(score) {
    const kept = await call("PUT", PATH, { score });
    const words = t(kept ? "chat.thanks" : "chat.not_sent");
    announce(words);
    if (kept) node.replaceChildren(element("p", { class: "faint" }, icon("check"), element("span", {}, words)));
  }

  return node;
}

async function call(method, path, body = {}) {
  try {
    const answer = await fetch(path, { method, credentials: "same-origin", redirect: "error", headers: HEADERS, body: JSON.stringify(body) });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

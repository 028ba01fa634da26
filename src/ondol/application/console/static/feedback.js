/* What somebody thinks of an answer, and asking for access to what was not found: both by the routes that an application would use. */

import { announce, button, element, icon } from "./dom.js";
import { t } from "./messages.js";

const REASONS = [
  ["wrong", "chat.reason.wrong"],
  ["incomplete", "chat.reason.incomplete"],
  ["source", "chat.reason.source"],
  ["style", "chat.reason.style"],
];
const HEADERS = { "content-type": "application/json", "x-ondol-request": "console" };

async function send(path, body) {
  const answer = await fetch(path, { method: "POST", credentials: "same-origin", redirect: "error", headers: HEADERS, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(String(answer.status));
}

/** Two buttons for an answer of that id; a thumb down opens the place for reasons and the right words. */
export function feedback(id) {
  const node = element("div", { class: "feedback" });
  const up = button(t("chat.helpful"), "up", () => give({ thumb: "up" }));
  const down = button(t("chat.unhelpful"), "down-thumb", () => open());
  node.append(up, down, element("a", { class: "button quiet small", href: `/answers/${encodeURIComponent(id)}/evaluation` }, icon("scale"), t("chat.evaluate")));

  async function give(opinion) {
    try {
      await send("/v1/feedback", { id, ...opinion });
      node.replaceChildren(element("p", { class: "faint" }, icon("check"), element("span", {}, t("chat.thanks"))));
      announce(t("chat.thanks"));
    } catch {
      announce(t("chat.not_sent"));
      for (const one of [up, down]) one.disabled = false;
      node.append(element("p", { class: "faint", role: "alert" }, t("chat.not_sent")));
    }
  }

  function open() {
    const boxes = REASONS.map(([name, key]) => {
      const box = element("input", { type: "checkbox", value: name });
      return [box, element("label", {}, box, ` ${t(key)}`)];
    });
    const words = element("textarea", { rows: "2", maxlength: "4000", "aria-label": t("chat.correction"), placeholder: t("chat.correction") });
    const form = element(
      "form",
      { class: "feedback-form" },
      element("fieldset", { class: "checks" }, element("legend", {}, t("chat.why")), ...boxes.map(([, label]) => label)),
      words,
      element("button", { class: "button small", type: "submit" }, t("chat.send_feedback")),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      give({ thumb: "down", reasons: boxes.filter(([box]) => box.checked).map(([box]) => box.value), correction: words.value.trim() });
    });
    node.replaceChildren(form);
    boxes[0][0].focus();
  }

  return node;
}

/** The same offer below every refusal, whatever there is: it tells nothing of what is behind it. */
export function accessRequest(id) {
  const node = element("div", { class: "feedback" });
  const ask = button(t("chat.ask_access"), "lock", async () => {
    ask.disabled = true;
    let told = t("chat.access_asked");
    try {
      await send(`/api/v1/answers/${encodeURIComponent(id)}/access-request`, {});
    } catch {
      told = t("chat.not_sent");
      ask.disabled = false;
    }
    node.replaceChildren(element("p", { class: "faint" }, told));
    announce(told);
  });
  node.append(ask);
  return node;
}

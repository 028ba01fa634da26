/* What was found of one sentence of an answer: the mark behind it, and the words above its sources. */

import { element, icon } from "./dom.js";
import { t } from "./messages.js";

const SAID_CHARACTERS_MAX = 200;
const VERDICTS = {
  supported: { icon: "check", word: "chat.sentence.supported", means: "sources.found.supported" },
  partial: { icon: "partial", word: "chat.sentence.partial", means: "sources.found.partial" },
  unsupported: { icon: "close", word: "chat.sentence.unsupported", means: "sources.found.unsupported" },
};
const REASONS = {
  amount: "sources.reason.amount",
  date: "sources.reason.date",
  time: "sources.reason.time",
  identifier: "sources.reason.identifier",
  name: "sources.reason.name",
  denial: "sources.reason.denial",
  opposite: "sources.reason.opposite",
  words: "sources.reason.words",
  no_source: "sources.reason.no_source",
};

/** A sign, and its word where the sentence is not borne out; it opens what was found. Null for a verdict that nobody knows. */
export function sentenceMark(check, onOpen) {
  const known = VERDICTS[check?.verdict];
  if (!known) return null;
  const word = element("span", { class: check.verdict === "supported" ? "visually-hidden" : null }, t(known.word));
  const label = t("chat.sentence.open", { verdict: t(known.word) });
  const node = element("button", { type: "button", class: "sentence-mark", "data-verdict": check.verdict, title: t(known.word), "aria-label": label }, icon(known.icon), word);
  node.addEventListener("click", () => onOpen(check, node));
  return node;
}

/** In words: what was found of a sentence, and why it is not borne out. The title takes the focus. */
export function finding(check) {
  const known = VERDICTS[check.verdict];
  const title = element("h3", { class: "finding-title", tabindex: "-1" }, icon(known.icon), element("span", {}, t(known.word)));
  const reasons = (check.reasons ?? []).filter((reason) => reason.kind in REASONS).map((reason) => element("li", {}, ...why(reason)));
  return element(
    "section",
    { class: "finding", "data-verdict": check.verdict },
    title,
    element("p", {}, t(check.sources?.length ? known.means : "sources.found.uncited")),
    reasons.length ? element("ul", { class: "finding-reasons" }, ...reasons) : null,
    coverage(check),
  );
}

/** One reason; what the sentence says stands behind it where it is known, which it is not of an answer of long ago. */
function why(reason) {
  const said = Array.from(reason.said ?? "");
  if (!said.length) return [t(REASONS[reason.kind])];
  const shown = said.length > SAID_CHARACTERS_MAX ? `${said.slice(0, SAID_CHARACTERS_MAX).join("")}…` : said.join("");
  return [`${t(REASONS[reason.kind])}: `, element("q", {}, shown)];
}

function coverage(check) {
  if (check.verdict === "supported" || !check.sources?.length || typeof check.coverage !== "number") return null;
  return element("p", { class: "faint" }, t("sources.found.coverage", { percent: Math.round(check.coverage * 100) }));
}

/* Citation markers in an answer: small buttons, a preview while one is hovered or focused, and stepping from one to the next. */

import { element } from "./dom.js";
import { t } from "./messages.js";

const EXCERPT_CHARACTERS_MAX = 180;
const SHOW_AFTER_MS = 120;
const HIDE_AFTER_MS = 160;
const GAP_PX = 8;

/** Offsets of quotes count Unicode characters, as Python does, not the UTF-16 units of JavaScript. */
export function slice(text, start, end) {
  return Array.from(text).slice(start, end).join("");
}

/** A marker while the answer is still being written: its place is kept, but there is nothing to open yet. */
export function pendingCitation(number) {
  return element("sup", { class: "citation pending" }, element("span", { "aria-hidden": "true" }, String(number)));
}

/** A marker that opens its source. */
export function citation(source, preview, onOpen) {
  const node = element("button", { type: "button", "aria-label": t("sources.cite", { number: source.n, title: source.title }) }, String(source.n));
  node.addEventListener("click", () => {
    preview.hide();
    onOpen(source.n, node);
  });
  preview.attach(node, source);
  return element("sup", { class: "citation" }, node);
}

/** The one preview of the page. It stays while the pointer is over it and goes with Escape (WCAG 2.2, 1.4.13). */
export class Preview {
  constructor() {
    this.box = document.getElementById("preview");
    this.owner = null;
    this.timer = 0;
    this.box.addEventListener("pointerenter", () => clearTimeout(this.timer));
    this.box.addEventListener("pointerleave", () => this.hideSoon());
    addEventListener("scroll", () => this.hide(), { capture: true, passive: true });
    addEventListener("resize", () => this.hide());
  }

  get visible() {
    return !this.box.hidden;
  }

  attach(node, source) {
    node.addEventListener("pointerenter", (event) => {
      if (event.pointerType !== "touch") this.showSoon(node, source);
    });
    node.addEventListener("pointerleave", () => this.hideSoon());
    node.addEventListener("focus", () => {
      if (node.matches(":focus-visible")) this.showSoon(node, source);
    });
    node.addEventListener("blur", () => this.hide());
  }

  showSoon(node, source) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.show(node, source), SHOW_AFTER_MS);
  }

  hideSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.hide(), HIDE_AFTER_MS);
  }

  show(node, source) {
    this.owner?.removeAttribute("aria-describedby");
    this.owner = node;
    document.getElementById("preview-title").textContent = source.title;
    document.getElementById("preview-text").textContent = excerpt(source);
    node.setAttribute("aria-describedby", "preview-text");
    this.box.hidden = false;
    const anchor = node.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.box;
    const left = Math.min(Math.max(GAP_PX, anchor.left + anchor.width / 2 - width / 2), innerWidth - width - GAP_PX);
    const above = anchor.top - height - GAP_PX;
    this.box.style.left = `${left}px`;
    this.box.style.top = `${above >= GAP_PX ? above : anchor.bottom + GAP_PX}px`;
  }

  hide() {
    clearTimeout(this.timer);
    this.owner?.removeAttribute("aria-describedby");
    this.owner = null;
    this.box.hidden = true;
  }
}

function excerpt(source) {
  const quote = source.quotes?.[0];
  const text = (quote ? slice(source.text, quote.start, quote.end) : source.text).trim();
  const characters = Array.from(text);
  return characters.length > EXCERPT_CHARACTERS_MAX ? `${characters.slice(0, EXCERPT_CHARACTERS_MAX).join("")}…` : text;
}

/** Go `step` (1 or -1) citations on from the last one visited; the first press begins at the latest answer. Returns the marker or null. */
export function stepCitation(turns, current, step) {
  const all = [...turns.querySelectorAll(".citation button")];
  if (all.length === 0) return null;
  const at = all.indexOf(current);
  if (at >= 0) return all[(at + step + all.length) % all.length];
  const cited = [...turns.children].filter((turn) => turn.querySelector(".citation button"));
  const latest = cited[cited.length - 1].querySelectorAll(".citation button");
  return step > 0 ? latest[0] : latest[latest.length - 1];
}

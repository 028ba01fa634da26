/* The files that the questions of a conversation are asked about: brought, followed until they are read, and taken away. */

import { announce, element, icon } from "./dom.js";
import { language, t } from "./messages.js";

const ADDRESS = "/api/v1/attachments";
const HEADERS = { "x-ondol-request": "console" };
const FOLLOW_MS = 700;
const STATES = { sending: "chat.files.sending", received: "chat.files.reading", ready: "chat.files.ready", failed: "chat.files.failed" };
/** Why the server does not take a file, by its code or by the word that tells how reading it failed. */
const REFUSALS = {
  too_many_attachments: "chat.files.too_many",
  unsupported_file: "chat.files.kind",
  too_large: "chat.files.too_large",
  too_many_passages: "chat.files.too_long",
  attachments_wait: "chat.files.busy",
  uploads_busy: "chat.files.busy",
  unreadable: "chat.files.unreadable",
};
const TOO_LARGE = 413;

const byId = (id) => document.getElementById(id);

export class Files {
  /**
   * `told` is what the server put into the page: `attachments`, and how many of what size and kind there may be.
   * `thread` is null while the first question is still to come; `changed` is called whenever a file came, was read or went.
   */
  constructor(told, thread, changed) {
    this.told = told;
    this.thread = thread;
    this.changed = changed;
    this.list = byId("files");
    this.alone = byId("alone");
    this.files = told.attachments.map((file) => this.chip({ ...file }));
    for (const file of this.files.filter(isBeingRead)) this.follow(file);
    this.prepare();
    this.show();
  }

  /** Whether a file is still on its way or being read: no question can be asked about it yet. */
  get isBusy() {
    return this.files.some(isBeingRead);
  }

  /** What a question says of them, as a part of its `ondol` field. */
  get place() {
    const ready = this.files.filter((file) => file.state === "ready").map((file) => file.id);
    const alone = ready.length > 0 && this.alone.checked ? { alone: true } : {};
    return this.thread || ready.length === 0 ? alone : { attachments: ready, ...alone };
  }

  /** A question is asked: what was not taken needs no more telling. */
  asked() {
    this.files = this.files.filter((file) => file.id || file.state !== "failed");
    this.show();
  }

  /** The conversation is kept as a thread from now on; what comes later is its own. */
  belongTo(thread) {
    this.thread = thread;
  }

  prepare() {
    const input = byId("attach-input");
    const zone = byId("main");
    byId("attach").addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      this.take(input.files);
      input.value = "";
    });
    byId("question").addEventListener("paste", (event) => {
      if (!event.clipboardData?.files.length) return;
      event.preventDefault();
      this.take(event.clipboardData.files);
    });
    for (const kind of ["dragover", "dragleave", "drop"]) {
      zone.addEventListener(kind, (event) => {
        if (!event.dataTransfer?.types.includes("Files")) return;
        event.preventDefault();
        zone.classList.toggle("over", kind === "dragover");
        if (kind === "drop") this.take(event.dataTransfer.files);
      });
    }
    byId("file-remove").addEventListener("click", () => this.remove(this.leaving));
  }

  /** Bring files: each is sent as it is, one after the other. */
  async take(given) {
    const brought = [...given].map((body) => this.chip({ name: body.name, bytes: body.size, state: "sending", body }));
    this.files.push(...brought);
    this.show();
    for (const file of brought) await this.send(file);
  }

  async send(file) {
    const query = new URLSearchParams({ file: file.name, ...(this.thread ? { thread: this.thread } : {}) });
    const { body } = file;
    delete file.body;
    if (!this.told.suffixes.some((suffix) => file.name.toLowerCase().endsWith(suffix))) return this.refuse(file, "unsupported_file");
    if (body.size > this.told.bytes_max) return this.refuse(file, "too_large");
    try {
      const headers = { ...HEADERS, "content-type": "application/octet-stream" };
      const answer = await fetch(`${ADDRESS}?${query}`, { method: "POST", body, headers });
      const told = await answer.json().catch(() => ({}));
      if (!answer.ok) return this.refuse(file, answer.status === TOO_LARGE ? "too_large" : told.error?.code, told.error?.message);
      Object.assign(file, told);
    } catch {
      return this.refuse(file, "network");
    }
    this.show();
    return this.follow(file);
  }

  /** Ask until a worker has read it. */
  async follow(file) {
    while (this.files.includes(file) && file.state === "received") {
      await new Promise((resolve) => setTimeout(resolve, FOLLOW_MS));
      try {
        const answer = await fetch(`${ADDRESS}/${file.id}`, { headers: HEADERS, cache: "no-store" });
        if (answer.ok) Object.assign(file, await answer.json());
        else if (answer.status === 404) return this.refuse(file, "network");
      } catch {
        // the network is away: it is asked again
      }
    }
    if (file.state === "failed") return this.refuse(file, file.failure, file.detail);
    announce(t("chat.files.said.ready", { name: file.name }));
    this.show();
  }

  refuse(file, code, detail = "") {
    const key = REFUSALS[code];
    const places = { count: this.told.files_max, size: sizeText(this.told.bytes_max), kinds: this.told.suffixes.join(", ") };
    file.state = "failed";
    file.why = key ? t(key, places) : detail || t("chat.files.lost");
    announce(`${file.name}: ${file.why}`);
    this.show();
  }

  /** Take a file away; answers that rest on it are then withheld, so that is asked before. */
  leave(file) {
    this.leaving = file;
    if (!this.thread || !file.id) return this.remove(file);
    byId("file-body").textContent = t("chat.files.remove.body", { name: file.name });
    byId("file-dialog").showModal();
  }

  async remove(file) {
    if (file.id) {
      const answer = await fetch(`${ADDRESS}/${file.id}`, { method: "DELETE", headers: HEADERS }).catch(() => null);
      if (!answer?.ok && answer?.status !== 404) return announce(t("chat.files.stays", { name: file.name }));
    }
    this.files = this.files.filter((other) => other !== file);
    announce(t("chat.files.said.gone", { name: file.name }));
    this.show();
    byId("question").focus({ preventScroll: true });
  }

  /** A file with what shows it. */
  chip(file) {
    const state = element("span", { class: "file-state" });
    const away = element("button", { type: "button", class: "button quiet square", "aria-label": t("chat.files.remove", { name: file.name }) }, icon("close"));
    away.addEventListener("click", () => this.leave(file));
    const link = element("a", { class: "file-name", title: file.name, target: "_blank", rel: "noopener noreferrer" }, file.name);
    const node = element("li", { class: "file" }, icon("document"), link, state, away);
    return Object.assign(file, { node, link, line: state });
  }

  show() {
    for (const file of this.files) {
      file.node.dataset.state = file.state;
      if (file.state === "ready") file.link.href = `/documents/${file.id}/original`;
      const size = file.state === "ready" ? sizeText(file.bytes) : "";
      file.line.textContent = [file.why ?? t(STATES[file.state]), size].filter(Boolean).join(" · ");
    }
    this.list.replaceChildren(...this.files.map((file) => file.node));
    this.list.hidden = this.files.length === 0;
    byId("alone-choice").hidden = !this.files.some((file) => file.state === "ready");
    this.changed();
  }
}

const isBeingRead = (file) => file.state === "sending" || file.state === "received";

/** Bytes as people of this language write them. */
function sizeText(bytes) {
  const [size, unit] = bytes < 1_000_000 ? [Math.max(1, Math.round(bytes / 1_000)), "kilobyte"] : [bytes / 1_000_000, "megabyte"];
  return new Intl.NumberFormat(language, { style: "unit", unit, maximumFractionDigits: 1 }).format(size);
}

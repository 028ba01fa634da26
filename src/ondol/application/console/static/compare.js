// Two models asked the same, their answers beside each other as they come.

import { ask } from "./api.js";

export function followCompare() {
  const form = document.getElementById("compare");
  if (!form) return;
  let running = null;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    running?.abort();
    running = new AbortController();
    const question = form.elements.question.value;
    await Promise.all(["first", "second"].map((side) => answer(form, side, question, running.signal)));
  });
}

async function answer(form, side, question, signal) {
  const place = (name) => document.querySelector(`[data-${name}="${side}"]`);
  const model = form.elements[side].value;
  const began = performance.now();
  place("head").textContent = model;
  place("facts").textContent = form.dataset.waiting;
  place("answer").textContent = "";
  try {
    for await (const chunk of ask(model, [{ role: "user", content: question }], signal)) {
      const piece = chunk.choices?.[0]?.delta?.content;
      if (typeof piece === "string") place("answer").append(piece);
      const usage = chunk.usage;
      if (usage) place("facts").textContent = `${usage.prompt_tokens} → ${usage.completion_tokens}`;
    }
    const seconds = Math.round((performance.now() - began) / 10) / 100;
    place("facts").textContent = `${form.dataset.took.replace("{seconds}", seconds)} ${place("facts").textContent.includes("→") ? `· ${place("facts").textContent}` : ""}`;
  } catch (error) {
    place("facts").textContent = signal.aborted ? form.dataset.stopped : error.message || String(error.status ?? "");
  }
}

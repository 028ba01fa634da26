// What the sections need beside htmx: questions before what cannot be undone, copying, charts.

import { announceDone } from "./dom.js";
import { drawCharts } from "./charts.js";
import { followCompare } from "./compare.js";
import { followChain, followProof } from "./proof.js";
import { followReview } from "./review.js";
import { followDrops } from "./upload.js";

const said = document.getElementById("said");

function say(text) {
  if (said) said.textContent = text;
}

/** Ask before a form with `data-ask` is sent; the consequence stands in the question. */
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !form.dataset.ask || form.dataset.sure) return;
  event.preventDefault();
  const dialog = document.getElementById("ask");
  dialog.querySelector("[data-question]").textContent = form.dataset.ask;
  dialog.returnValue = "";
  dialog.addEventListener(
    "close",
    () => {
      if (dialog.returnValue !== "yes") return;
      form.dataset.sure = "yes";
      form.requestSubmit(event.submitter ?? undefined);
    },
    { once: true },
  );
  dialog.showModal();
});

/** Copy what stands in the element that a button names. */
document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  await navigator.clipboard.writeText(source.textContent.trim());
  say(button.dataset.copied);
  button.dataset.state = "copied";
});

/** Printing needs a script; without one the browser's own menu does it. */
function followPrints(within) {
  for (const button of within.querySelectorAll("[data-print][hidden]")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }
}

document.addEventListener("htmx:afterSettle", () => followPrints(document));
followPrints(document);
document.addEventListener("htmx:afterSettle", (event) => drawCharts(event.detail.elt));
drawCharts(document);
followDrops();
followCompare();
followProof();
followChain();
followReview();
announceDone();

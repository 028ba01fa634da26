// Judging with the keyboard and the mouse: 1 to 5 answer one scale after the other, and what is selected in the answer can be marked.
// Without this the same is done by the form alone: scales are radio buttons, and each sentence has a list of marks.

export function followReview() {
  const form = document.getElementById("judge");
  if (!form) return;
  followKeys(form);
  followMarks(form, document.getElementById("answer"));
}

function followKeys(form) {
  form.querySelector("[data-keys]").hidden = false;
  const scales = [...form.querySelectorAll("[data-scale]")];
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("textarea, select, input:not([type=radio]), dialog")) return;
    if (!/^[0-5]$/.test(event.key)) return;
    const own = event.target.closest("[data-scale]");
    const scale = own ?? scales.find((one) => !one.querySelector("input:checked"));
    if (!scale) return;
    event.preventDefault();
    const inputs = [...scale.querySelectorAll("input")];
    (event.key === "0" ? inputs.at(-1) : inputs[Number(event.key) - 1]).checked = true;
    const next = scales.slice(scales.indexOf(scale) + 1).find((one) => !one.querySelector("input:checked"));
    (next ? next.querySelector("input") : form.querySelector("button[type=submit]")).focus();
  });
}

function followMarks(form, answer) {
  const bar = form.querySelector("[data-mark-bar]");
  const list = form.querySelector("[data-marks]");
  const label = form.querySelector("[data-mark-label]");
  bar.hidden = false;
  let chosen = null;
  document.addEventListener("selectionchange", () => {
    const selection = document.getSelection();
    if (!selection.rangeCount || selection.isCollapsed) return;
    const range = selection.getRangeAt(0);
    if (answer.contains(range.startContainer) && answer.contains(range.endContainer)) chosen = placeOf(answer, range);
  });
  form.querySelector("[data-mark]").addEventListener("click", () => {
    if (!chosen) return;
    list.append(mark(form, chosen, label));
    chosen = null;
    document.getSelection().removeAllRanges();
  });
}

/** Beginning and end in characters as the server counts them: code points, not UTF-16. */
function placeOf(answer, range) {
  const before = document.createRange();
  before.selectNodeContents(answer);
  before.setEnd(range.startContainer, range.startOffset);
  const start = [...before.toString()].length;
  const text = range.toString();
  return { start, end: start + [...text].length, text };
}

function mark(form, place, label) {
  const item = document.createElement("li");
  const name = document.createElement("strong");
  name.textContent = label.selectedOptions[0].textContent;
  const words = document.createElement("span");
  words.textContent = place.text;
  const field = document.createElement("input");
  field.type = "hidden";
  field.name = `mark-${place.start}-${place.end}`;
  field.value = label.value;
  const remove = document.createElement("button");
  remove.type = "button";
  remove.className = "button quiet small";
  remove.textContent = form.dataset.remove;
  remove.addEventListener("click", () => item.remove());
  item.append(name, " ", words, field, remove);
  return item;
}

// Files that are dropped on a base: each is sent as it is, by the route that a script would use, and followed until it can be found.

const FOLLOW_MS = 700;
const AT_ONCE = 2;
const HEADERS = { "x-ondol-request": "console" };

export function followDrops() {
  const form = document.getElementById("drop");
  if (!form) return;
  const picker = form.querySelector("input[type=file]");
  const queue = [];
  let running = 0;

  function take(files) {
    for (const file of files) queue.push(row(form, file));
    pump();
  }

  async function pump() {
    while (running < AT_ONCE && queue.length) {
      running += 1;
      send(form, queue.shift()).finally(() => {
        running -= 1;
        pump();
      });
    }
  }

  picker.addEventListener("change", () => {
    take(picker.files);
    picker.value = "";
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const kind of ["dragover", "dragleave", "drop"]) {
    form.addEventListener(kind, (event) => {
      event.preventDefault();
      form.classList.toggle("over", kind === "dragover");
      if (kind === "drop") take(event.dataTransfer.files);
    });
  }
}

function row(form, file) {
  const item = document.createElement("li");
  const name = document.createElement("strong");
  const state = document.createElement("span");
  name.textContent = file.name;
  state.textContent = form.dataset.waiting;
  item.append(name, state);
  document.getElementById("uploads").append(item);
  return { file, item, state };
}

async function send(form, { file, item, state }) {
  const tell = (text, kind) => {
    state.textContent = text;
    item.dataset.state = kind;
  };
  tell(form.dataset.sending, "sending");
  const base = `/api/v1/bases/${encodeURIComponent(form.dataset.base)}`;
  const query = new URLSearchParams({ file: file.name, replace: "true", class: form.elements["class"].value });
  for (const group of form.elements.groups.value.split(",")) if (group.trim()) query.append("group", group.trim());
  try {
    const headers = { ...HEADERS, "content-type": "application/octet-stream", "idempotency-key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` };
    const answer = await fetch(`${base}/documents?${query}`, { method: "POST", body: file, headers });
    if (!answer.ok) throw new Error((await answer.json()).error.message);
    const { upload } = await answer.json();
    tell(form.dataset.received, "received");
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, FOLLOW_MS));
      const told = await (await fetch(`${base}/uploads/${upload}`, { headers: HEADERS })).json();
      if (told.state === "taken_in") return tell(form.dataset.taken, "taken");
      if (told.state === "failed") throw new Error(told.detail || told.failure);
    }
  } catch (error) {
    tell(`${form.dataset.failed} ${error.message}`, "failed");
  }
}

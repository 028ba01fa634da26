// Checks of the ledger in the reader's own browser: the way of an event to its batch, the batch's signature, and how the chain went on since the
// last visit. Nothing that the server says of whether they hold is asked for or believed.

const SIGNED = "ondol ledger batch\0"; // what a signature of a batch is over, before the bytes of its digest
const REMEMBERED_KEY = "ondol ledger key";
const REMEMBERED_HEAD = "ondol ledger head";
const CHAIN_PAGES_MAX = 200;

const bytesOf = (text) => new TextEncoder().encode(text);

export const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export function fromHex(text) {
  if (typeof text !== "string" || !/^([0-9a-f]{2})*$/.test(text)) throw new Error("no hexadecimal digits");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

async function sha256(...pieces) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(pieces.flatMap((piece) => Array.from(piece)))));
}

/** The root that a path leads to from a leaf (RFC 6962, 2.1), or null when a tree of so many leaves has no such path. */
async function rootOf(leaf, place, count, path) {
  if (!Number.isSafeInteger(place) || !Number.isSafeInteger(count) || place < 0 || place >= count) return null;
  let current = await sha256([0], leaf);
  let at = place;
  let last = count - 1;
  const beside = [...path];
  while (last > 0) {
    if (at % 2 === 1 || at < last) {
      if (beside.length === 0) return null;
      const hash = beside.shift();
      current = await (at % 2 === 1 ? sha256([1], hash, current) : sha256([1], current, hash));
    }
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return beside.length === 0 ? current : null;
}

/** Whether a key made a signature over a batch's digest: "good", "bad", or "unknown" where the browser does not know Ed25519. */
async function signatureOf(key, digest, signature) {
  let opened;
  try {
    opened = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
  } catch (error) {
    return error.name === "NotSupportedError" ? "unknown" : "bad";
  }
  const message = new Uint8Array([...bytesOf(SIGNED), ...digest]);
  return (await crypto.subtle.verify({ name: "Ed25519" }, opened, signature, message)) ? "good" : "bad";
}

/** JSON with the names of objects in order, so that equal things have equal texts. */
function inOrder(value) {
  if (Array.isArray(value)) return `[${value.map(inOrder).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${inOrder(value[name])}`).join(",")}}`;
}

/** Whether the text of an event says what the page shows. */
function saysTheSame(text, shown) {
  const said = JSON.parse(text);
  const sameTime = Date.parse(said.created_at) === Date.parse(shown.at);
  const sameBody = inOrder(said.body) === inOrder(JSON.parse(shown.body));
  return said.id === shown.id && said.kind === shown.kind && (said.actor ?? "") === shown.actor && sameTime && sameBody;
}

/** Compare a key's fingerprint with the one that this browser saw first, and remember that. */
function knownKey(fingerprint, signed) {
  const first = localStorage.getItem(REMEMBERED_KEY);
  if (first === null && signed) localStorage.setItem(REMEMBERED_KEY, fingerprint);
  return first === null ? "unknown" : first === fingerprint ? "good" : "bad";
}

/** Each step of a proof with how it ended and what came out; a step that cannot even be taken is bad. */
export async function checkProof(proof, shown) {
  const batch = proof.batch;
  const sealed = JSON.parse(batch.text);
  const key = fromHex(proof.public_key);
  const fingerprint = toHex(await sha256(key));
  const leaf = await sha256(bytesOf(proof.text));
  const digest = await sha256(bytesOf(batch.text));
  const root = await rootOf(leaf, proof.place, sealed.event_count, proof.path.map(fromHex));
  const isSigner = fingerprint.startsWith(sealed.signer) && sealed.signer.length === 16;
  const signature = isSigner ? await signatureOf(key, digest, fromHex(batch.signature)) : "bad";
  return {
    event: [saysTheSame(proof.text, shown) ? "good" : "bad", toHex(leaf)],
    path: [root !== null && toHex(root) === sealed.root ? "good" : "bad", root === null ? "" : toHex(root)],
    batch: [toHex(digest) === batch.digest && sealed.number === batch.number ? "good" : "bad", toHex(digest)],
    signature: [signature, batch.signature],
    key: [knownKey(fingerprint, signature === "good"), fingerprint],
  };
}

const BROKEN = { event: ["bad", ""], path: ["bad", ""], batch: ["bad", ""], signature: ["bad", ""], key: ["bad", ""] };

/** A key that is seen for the first time is no reason to doubt the rest; a signature that was not checked is. */
function verdictOf(steps) {
  const ends = Object.values(steps).map(([end]) => end);
  if (ends.includes("bad")) return "bad";
  return steps.signature[0] === "unknown" ? "unknown" : "good";
}

function reveal(root, name, value) {
  for (const node of root.querySelectorAll(`[data-${name}]`)) node.hidden = node.dataset[name] !== value;
}

async function tellProof(section, event) {
  const text = section.querySelector("textarea").value;
  let steps = BROKEN;
  try {
    steps = await checkProof(JSON.parse(text), event.dataset);
  } catch {
    // Not a proof at all: every step is told as failed.
  }
  for (const item of section.querySelectorAll("[data-step]")) {
    const [end, value] = steps[item.dataset.step];
    item.dataset.state = end;
    reveal(item, "when", end);
    item.querySelector("[data-value]").textContent = value;
  }
  section.dataset.state = verdictOf(steps);
  reveal(section, "verdict", section.dataset.state);
}

export function followProof() {
  const section = document.getElementById("proof");
  const event = document.getElementById("event");
  if (!section?.querySelector("textarea") || !event) return;
  section.querySelector("[data-without]").hidden = true;
  if (!globalThis.crypto?.subtle) {
    section.querySelector("[data-insecure]").hidden = false;
    return;
  }
  section.querySelector(".checks-list").hidden = false;
  const check = section.querySelector("[data-check]");
  check.hidden = false;
  check.addEventListener("click", () => tellProof(section, event));
  tellProof(section, event);
}

async function chainPage(after, until) {
  const address = `/api/v1/ledger/chain?after=${after}&until=${until}`;
  const answer = await fetch(address, { credentials: "same-origin", cache: "no-store", redirect: "error", headers: { "x-ondol-request": "console" } });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

/** Whether the chain goes on from a remembered head to the present one, link by link. */
async function goesOn(from, to) {
  let { number, digest } = from;
  if (number === to.number) return digest === to.digest;
  if (number > to.number) return false;
  for (let page = 0; page < CHAIN_PAGES_MAX && number < to.number; page += 1) {
    const { links } = await chainPage(number, to.number);
    if (links.length === 0) return false;
    for (const link of links) {
      const said = JSON.parse(link.text);
      if (said.number !== number + 1 || said.previous_digest !== digest) return false;
      number = said.number;
      digest = toHex(await sha256(bytesOf(link.text)));
    }
  }
  if (number < to.number) throw new Error("the chain is longer than is checked at once");
  return digest === to.digest;
}

async function checkChain(data) {
  const digest = await sha256(bytesOf(data.text));
  const key = fromHex(data.key);
  const fingerprint = toHex(await sha256(key));
  const said = JSON.parse(data.text);
  const signature = fingerprint.startsWith(said.signer) ? await signatureOf(key, digest, fromHex(data.signature)) : "bad";
  if (toHex(digest) !== data.digest || signature === "bad") return "bad";
  const head = { number: said.number, digest: data.digest };
  const seen = JSON.parse(localStorage.getItem(REMEMBERED_HEAD) ?? "null");
  if (seen !== null && !(await goesOn(seen, head))) return "bad";
  if (knownKey(fingerprint, signature === "good") === "bad") return "bad";
  localStorage.setItem(REMEMBERED_HEAD, JSON.stringify(head));
  return seen === null ? "unknown" : "good";
}

export function followChain() {
  const section = document.getElementById("chain");
  const check = section?.querySelector("[data-check]");
  if (!check) return;
  check.hidden = false;
  check.addEventListener("click", async () => {
    if (!globalThis.crypto?.subtle) {
      reveal(section, "when", "insecure");
      return;
    }
    reveal(section, "when", await checkChain(section.dataset).catch(() => "failed"));
  });
}

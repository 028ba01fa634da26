/* What stands around a conversation that is kept: its address, its name, and the list beside it. */

/** Where a thread is read; with a turn, the branch on which that lies. */
export function addressOf(thread, turn = null) {
  const address = `/threads/${encodeURIComponent(thread)}`;
  return turn ? `${address}?turn=${encodeURIComponent(turn)}` : address;
}

/** Something was said in a thread: it stands first in the list, and a new one gets its address and its head. */
export function showThread(thread, isNew) {
  history.replaceState(null, "", addressOf(thread));
  const words = document.getElementById("thread-words");
  words.setAttribute("hx-vals", JSON.stringify({ open: thread }));
  // How each is swapped stands at the element itself.
  if (!words.value) htmx.ajax("GET", `/threads?open=${encodeURIComponent(thread)}`, { source: "#thread-list" });
  if (isNew) htmx.ajax("GET", addressOf(thread), { source: "#thread-head" });
}

/* The answer that this tab waits for, so that it is picked up again when the page is loaded anew. */

const KEY = "ondol-answer";

/** Remember an answer on its way: its id, the model, the question, and its place in a thread. */
export function remember(answer) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(answer));
  } catch {
    // storage is switched off: a page that is loaded anew begins anew
  }
}

export function forget() {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // there is nothing to forget
  }
}

/** The answer that was on its way where this page is shown; null when there is none. Whoever went elsewhere does not find it there. */
export function remembered(thread) {
  try {
    const answer = JSON.parse(sessionStorage.getItem(KEY));
    const isSame = thread ? answer?.thread === thread : !answer?.thread && performance.getEntriesByType("navigation")[0]?.type !== "navigate";
    if (typeof answer?.id === "string" && typeof answer.question === "string" && isSame) return answer;
  } catch {
    // storage is switched off, or what it holds is not ours
  }
  return null;
}

/* What the server put into the page: its language and the texts for scripts. */

const data = JSON.parse(document.getElementById("page-data").textContent);

export const language = data.language;

/** The branch of a thread that the page shows; null where a conversation begins. */
export const branch = data.branch;

/** The files of the conversation and how many there may be; null where none can be brought. */
export const files = data.files;

/** The text of a key with its {places} filled. */
export function t(key, places = {}) {
  const text = data.messages[key];
  if (text === undefined) throw new Error(`no message ${key}`);
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in places ? String(places[name]) : whole));
}

/** A date as people of this language write it; what is not a date stays as it is. */
export function formatDate(text) {
  const dayOnly = /^\d{4}-\d{2}-\d{2}$/.test(text);
  const moment = new Date(text);
  if (Number.isNaN(moment.getTime())) return text;
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", ...(dayOnly ? { timeZone: "UTC" } : {}) }).format(moment);
}

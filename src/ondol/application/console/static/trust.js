/* What may become markup: only whole answers of our own server, as the parser of htmx reads them. Strings that a script would write into a page
   are refused by the browser. A classic script, so that it stands before any other. */
(() => {
  "use strict";
  if (!window.trustedTypes) return;
  const PARSERS = new Set(["DOMParser parseFromString", "Document parseHTMLUnsafe"]); // both read into a document that runs nothing
  trustedTypes.createPolicy("default", { createHTML: (text, _type, sink) => (PARSERS.has(sink) ? text : null) });
})();

/* Sign-in and welcome: show a password on request, send once, and keep a one-time code out of the address bar and the history. */

for (const button of document.querySelectorAll("[data-reveals]")) {
  const field = document.getElementById(button.dataset.reveals);
  button.addEventListener("click", () => {
    const reveal = field.type === "password";
    field.type = reveal ? "text" : "password";
    button.setAttribute("aria-pressed", String(reveal));
    button.setAttribute("aria-label", reveal ? button.dataset.labelHide : button.dataset.labelShow);
  });
  button.hidden = false;
}

for (const form of document.querySelectorAll("form")) {
  if (form.dataset.hidesAddress) history.replaceState(null, "", form.dataset.hidesAddress);
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}

// A page that comes back from the browser's cache may be sent again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form")) delete form.dataset.sent;
});

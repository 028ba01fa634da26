/* Light or dark. A classic script in the head, so that the choice holds before the first paint.
   Without a choice the system decides; a choice that equals the system's is forgotten again. */
(() => {
  "use strict";
  const KEY = "ondol-theme";
  const root = document.documentElement;
  const systemDark = matchMedia("(prefers-color-scheme: dark)");

  function remembered() {
    try {
      const value = localStorage.getItem(KEY);
      return value === "dark" || value === "light" ? value : null;
    } catch {
      return null; // storage is switched off: the system decides
    }
  }

  function remember(theme) {
    try {
      if (theme === null) localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, theme);
    } catch {
      // storage is switched off: the choice holds for this page only
    }
  }

  function apply(theme) {
    if (theme === null) delete root.dataset.theme;
    else root.dataset.theme = theme;
  }

  const shown = () => root.dataset.theme ?? (systemDark.matches ? "dark" : "light");

  apply(remembered());

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("switch-theme");
    if (!button) return;
    const label = () => {
      button.setAttribute("aria-label", shown() === "dark" ? button.dataset.labelLight : button.dataset.labelDark);
    };
    button.addEventListener("click", () => {
      const next = shown() === "dark" ? "light" : "dark";
      const choice = next === (systemDark.matches ? "dark" : "light") ? null : next;
      apply(choice);
      remember(choice);
      label();
    });
    systemDark.addEventListener("change", label);
    addEventListener("storage", (event) => {
      if (event.key === KEY) {
        apply(remembered());
        label();
      }
    });
    label();
    button.hidden = false;
  });
})();

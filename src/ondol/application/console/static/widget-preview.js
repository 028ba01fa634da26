/* The preview of a widget: its own element, with a visit that the admin API opens for whoever looks after it. */

const preview = document.getElementById("preview");

preview.openVisit = async () => {
  const answer = await fetch(`/api/v1/widgets/${encodeURIComponent(preview.dataset.widget)}/preview`, {
    method: "POST",
    credentials: "same-origin",
    redirect: "error",
    headers: { "content-type": "application/json", "x-ondol-request": "console" },
    body: JSON.stringify({ origin: location.origin }),
  });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
};

/** The page's own switch of light and dark holds for the preview too. */
function dress() {
  const chosen = document.documentElement.dataset.theme;
  if (chosen) preview.setAttribute("theme", chosen);
  else preview.removeAttribute("theme");
}

new MutationObserver(dress).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
dress();

/* Building elements without ever parsing HTML. */

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children; strings become text. A value of false, null or undefined sets no attribute, true an empty one. */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** One of the icons that the page carries as symbols. */
export function icon(name) {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("class", "icon");
  picture.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  picture.append(use);
  return picture;
}

/** A button of the page's own kind; `quiet` small text buttons stand below answers. */
export function button(label, iconName, onClick, className = "button quiet small") {
  const node = element("button", { type: "button", class: className }, iconName ? icon(iconName) : null, element("span", {}, label));
  node.addEventListener("click", onClick);
  return node;
}

/** What was just done stood in the page when it came. A screen reader tells it, and that it can be undone, once the words come anew. */
export function announceDone() {
  const words = document.querySelector(".notice.done > span");
  if (words) requestAnimationFrame(() => words.replaceWith(words.cloneNode(true)));
}

/** Have a screen reader say something once it is done speaking. */
export function announce(text) {
  const region = document.getElementById("said");
  region.textContent = "";
  // An emptied region must be seen empty first, or the same words twice are said once.
  requestAnimationFrame(() => {
    region.textContent = text;
  });
}

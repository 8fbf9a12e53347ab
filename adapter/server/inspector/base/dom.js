// Elements without a framework: what a text says is always text, never markup.

export function h(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) setAttribute(made, key, value);
  made.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

function setAttribute(element, key, value) {
  if (value === undefined || value === null || value === false) return;
  if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
  else element.setAttribute(key, value === true ? "" : value);
}

export const byId = (id) => document.getElementById(id);

// Touch the document only where something differs: focus, selection and scroll positions survive.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setClass(element, name, is) {
  if (element.classList.contains(name) !== Boolean(is)) element.classList.toggle(name, Boolean(is));
}

export function button(label, onclick, attributes = {}) {
  return h("button", { type: "button", onclick, ...attributes }, label);
}

// What only eyes need not read.
export const forReaders = (text) => h("span", { class: "for-readers" }, text);
export const forEyes = (text, name = "glyph") => h("span", { class: name, "aria-hidden": "true" }, text);

let live = null;

// Say something to a screen reader, once.
export function announce(text) {
  live ??= byId("announcer");
  live.textContent = "";
  requestAnimationFrame(() => {
    live.textContent = text;
  });
}

// What may be wider than its place: it scrolls by itself, also by keyboard.
export const wide = (label, ...children) =>
  h("div", { class: "scroll-x", role: "region", "aria-label": label, tabindex: "0" }, ...children);

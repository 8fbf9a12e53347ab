// Tabs as the ARIA practices have them: one stop for the tab key, arrows between tabs.

import { h } from "./dom.js";

let made = 0;

export class Tabs {
  #tabs = new Map();

  constructor(label, entries, onselect = () => {}) {
    const prefix = `tabs${(made += 1)}`;
    this.onselect = onselect;
    this.list = h("div", {
      role: "tablist",
      "aria-label": label,
      class: "tablist",
      onkeydown: (event) => this.#move(event),
    });
    this.panels = h("div", { class: "panels" });
    for (const [name, title, panel] of entries) this.#add(prefix, name, title, panel);
    this.selected = entries[0][0];
    this.#mark();
  }

  #add(prefix, name, title, panel) {
    const id = `${prefix}-${name}`;
    const count = h("span", { class: "count", hidden: true });
    const tab = h(
      "button",
      { type: "button", role: "tab", id, "aria-controls": `${id}-panel`, onclick: () => this.select(name) },
      h("span", { class: "steady", "data-title": title }, title),
      count,
    );
    panel.id = `${id}-panel`;
    panel.classList.add("panel");
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", id);
    panel.tabIndex = 0;
    this.#tabs.set(name, { tab, panel, count });
    this.list.append(tab);
    this.panels.append(panel);
  }

  select(name, { quiet = false } = {}) {
    if (!this.#tabs.has(name) || name === this.selected) return;
    this.selected = name;
    this.#mark();
    if (!quiet) this.onselect(name);
  }

  setCount(name, number, label = "") {
    const { count } = this.#tabs.get(name);
    count.hidden = !number;
    count.textContent = number ? ` ${number}` : "";
    if (label) count.setAttribute("aria-label", label);
  }

  #mark() {
    for (const [name, { tab, panel }] of this.#tabs) {
      const is = name === this.selected;
      tab.setAttribute("aria-selected", String(is));
      tab.tabIndex = is ? 0 : -1;
      panel.hidden = !is;
    }
    const { tab } = this.#tabs.get(this.selected);
    const { left, width } = { left: tab.offsetLeft, width: tab.offsetWidth };
    if (left < this.list.scrollLeft || left + width > this.list.scrollLeft + this.list.clientWidth)
      this.list.scrollLeft = left - 16;
  }

  #move(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const names = [...this.#tabs.keys()];
    const name = names[(names.indexOf(this.selected) + step + names.length) % names.length];
    this.select(name);
    this.#tabs.get(name).tab.focus();
    event.preventDefault();
    event.stopPropagation();
  }
}

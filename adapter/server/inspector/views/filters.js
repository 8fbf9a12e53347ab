// Which requests of the list are shown.

import { button, h, setText } from "../base/dom.js";
import { FATES } from "../ledger/fates.js";

const STATUSES = {
  running: ["running", (row) => row.running],
  ok: ["answered", (row) => !row.running && row.outcome === "complete"],
  "4xx": ["4xx", (row) => row.status >= 400 && row.status < 500],
  "5xx": ["5xx", (row) => row.status >= 500],
  failed: ["failed or broken off", (row) => !row.running && row.outcome !== "complete"],
};

const FILTERS = {
  status: {
    title: "Status",
    options: () => Object.keys(STATUSES),
    word: (name) => STATUSES[name][0],
    fits: (row, name) => STATUSES[name][1](row),
  },
  model: {
    title: "Model",
    options: (rows) => rows.flatMap((row) => [row.model_asked, row.model]),
    fits: (row, name) => row.model === name || row.model_asked === name,
  },
  fate: { title: "Fate", options: () => Object.keys(FATES), fits: (row, name) => Boolean(row.fates[name]) },
  code: {
    title: "Code",
    options: (rows) => rows.flatMap((row) => row.codes),
    fits: (row, name) => row.codes.includes(name),
  },
  client: {
    title: "Client",
    options: (rows) => rows.map((row) => row.program),
    fits: (row, name) => row.program === name,
  },
};

export class Filters {
  #selects = new Map();

  constructor(onchange) {
    this.onchange = onchange;
    this.search = h("input", {
      type: "search",
      id: "search",
      placeholder: "Search",
      "aria-label": "Search requests",
      "aria-keyshortcuts": "/",
      oninput: onchange,
    });
    this.toggle = button("Filters", () => this.open(this.panel.hidden), {
      "aria-expanded": "false",
      "aria-controls": "filters",
    });
    this.panel = h(
      "div",
      { class: "filters", id: "filters", hidden: true },
      Object.entries(FILTERS).map(([name, filter]) => this.#select(name, filter)),
      button("Show all", () => this.reset(), { class: "reset" }),
    );
    this.clears = button("Show all", () => this.reset());
  }

  #select(name, { title }) {
    const select = h(
      "select",
      { id: `filter-${name}`, onchange: () => this.#changed() },
      h("option", { value: "" }, "any"),
    );
    this.#selects.set(name, select);
    return h("div", { class: "filter" }, h("label", { for: `filter-${name}` }, title), select);
  }

  open(is) {
    this.panel.hidden = !is;
    this.toggle.setAttribute("aria-expanded", String(is));
  }

  reset() {
    for (const select of this.#selects.values()) select.value = "";
    this.search.value = "";
    this.#changed();
  }

  #changed() {
    setText(this.toggle, this.number ? `Filters (${this.number})` : "Filters");
    this.toggle.classList.toggle("active", this.number > 0);
    this.onchange();
  }

  get number() {
    return [...this.#selects.values()].filter((select) => select.value).length;
  }

  // The choices follow what is there; one that was made stays.
  offer(rows) {
    for (const [name, select] of this.#selects) {
      const { options, word = (value) => value } = FILTERS[name];
      const values = [...new Set([...options(rows), select.value])].filter(Boolean);
      if (!["status", "fate"].includes(name)) values.sort();
      const known = [...select.options].slice(1).map((option) => option.value);
      if (values.join("\n") === known.join("\n")) continue;
      const chosen = select.value;
      select.replaceChildren(
        h("option", { value: "" }, "any"),
        ...values.map((value) => h("option", { value }, word(value))),
      );
      select.value = chosen;
    }
  }

  apply(rows) {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = [...this.#selects]
      .filter(([, select]) => select.value)
      .map(([name, select]) => [FILTERS[name].fits, select.value]);
    return rows.filter(
      (row) => chosen.every(([fits, value]) => fits(row, value)) && words.every((word) => textOf(row).includes(word)),
    );
  }
}

const textOf = (row) =>
  [
    row.id,
    row.path,
    row.model_asked,
    row.model,
    row.status,
    row.outcome,
    row.error,
    row.excerpt,
    row.program,
    ...row.codes,
  ]
    .join(" ")
    .toLowerCase();

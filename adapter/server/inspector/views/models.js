// What each model can do, from when, and until when.

import { forEyes, forReaders, h, wide } from "../base/dom.js";
import { capabilities } from "../base/server.js";

export class Models {
  constructor() {
    this.body = h("div", {}, h("p", { class: "empty" }, "One moment."));
    this.search = h("input", {
      type: "search",
      placeholder: "Filter models",
      "aria-label": "Filter models",
      oninput: () => this.#draw(),
    });
    this.element = h(
      "div",
      { class: "view page", tabindex: "0" },
      h("h2", {}, "Models"),
      h("div", { class: "intro" }, this.search, (this.said = h("p", { class: "muted" }))),
      this.body,
    );
  }

  async show() {
    if (this.shown) return;
    this.shown = await capabilities();
    this.said.textContent = `By the calendar of ${this.shown.platform === "studio" ? "Google AI Studio" : this.shown.platform}, on ${this.shown.day}. A request follows the first row that fits its model.`;
    this.#draw();
  }

  #draw() {
    const word = this.search.value.trim().toLowerCase();
    const fits = (...texts) => texts.join(" ").toLowerCase().includes(word);
    const rows = this.shown.rows.filter((row) => fits(row.model, row.then, row.served_by));
    const aliases = this.shown.aliases.filter((alias) => fits(alias.name, alias.model));
    this.body.replaceChildren(
      modelTable(rows, this.shown.day),
      h("h3", {}, "Other names"),
      h("p", { class: "muted" }, "Names that programs ask for, and the model that answers."),
      aliasTable(aliases),
    );
  }
}

const TITLES = [
  "Model",
  "Thinking",
  "Choices",
  "Sampling",
  "Penalties",
  "Log probs",
  "JSON schema",
  "Signatures",
  "Input",
  "Output",
  "Ends",
  "Checked",
];

function modelTable(rows, today) {
  return wide(
    "Capabilities",
    h(
      "table",
      { class: "models-table" },
      h("caption", { class: "for-readers" }, "Capabilities"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          TITLES.map((title) => h("th", { scope: "col" }, title)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((row) => modelRow(row, today)),
      ),
    ),
  );
}

function modelRow(row, today) {
  const thinking = row.thinking === "levels" ? row.levels.join(", ") : row.thinking;
  const cells = row.served_by
    ? [h("td", { colspan: "9", class: "muted" }, `Not a chat model: served by ${row.served_by}`)]
    : [
        h("td", {}, thinking),
        h("td", { class: "figure" }, String(row.candidates)),
        ...["sampling", "penalties", "logprobs", "json_schema", "signatures"].map((name) =>
          h("td", {}, mark(row[name])),
        ),
        h("td", { class: "figure" }, tokens(row.input_limit)),
        h("td", { class: "figure" }, tokens(row.output_limit)),
      ];
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, h("code", {}, row.model)),
    ...cells,
    h("td", {}, endOf(row, today)),
    h("td", {}, h("details", {}, h("summary", {}, row.checked), h("p", { class: "muted" }, row.source))),
  );
}

const mark = (is) => [forEyes(is ? "✓" : "–", `glyph ${is ? "exact" : "muted"}`), forReaders(is ? "yes" : "no")];
const tokens = (number) =>
  number >= 1_000_000 ? `${(number / 1_048_576).toFixed(0)}M` : number ? `${Math.round(number / 1024)}k` : "";

function endOf(row, today) {
  const ends = Object.entries(row.until);
  if (!ends.length) return h("span", { class: "muted" }, "not announced");
  return [
    ...ends.map(([platform, day]) =>
      h("span", { class: `end ${day <= today ? "past" : ""}` }, `${day} (${platform})${day <= today ? ", ended" : ""}`),
    ),
    row.then ? h("span", { class: "muted" }, ` then ${row.then}`) : "",
  ];
}

function aliasTable(aliases) {
  return wide(
    "Other names",
    h(
      "table",
      {},
      h("caption", { class: "for-readers" }, "Other names"),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Asked for"), h("th", { scope: "col" }, "Answers"))),
      h(
        "tbody",
        {},
        aliases.map((alias) =>
          h("tr", {}, h("td", {}, h("code", {}, alias.name)), h("td", {}, h("code", {}, alias.model))),
        ),
      ),
    ),
  );
}

// Names to choose from.
export function modelNames({ rows, aliases }) {
  const own = rows
    .filter((row) => !row.served_by)
    .map((row) => row.model.replace(/\*$/, ""))
    .filter((name) => !name.includes("*") && !name.endsWith("-"));
  return [...new Set([...aliases.map((alias) => alias.model), ...own])];
}

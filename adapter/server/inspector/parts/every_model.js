// What one request would lose on every model, and which would refuse it.

import { button, forEyes, forReaders, h } from "../base/dom.js";
import { SEVERITIES } from "../ledger/fates.js";
import { fateMarks } from "./marks.js";

export class EveryModel {
  constructor({ onchoose }) {
    this.onchoose = onchoose;
    this.body = h("tbody");
    this.said = h("p", { class: "empty" }, "Paste a request to compare the models.");
    this.table = h(
      "table",
      { class: "compare", hidden: true },
      h("caption", { class: "for-readers" }, "The request on every model"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "Model"),
          Object.entries(SEVERITIES).map(([severity, { glyph, word }]) =>
            h("th", { scope: "col", class: severity }, forEyes(glyph), word),
          ),
          h("th", { scope: "col" }, "Refused"),
          h("th", { scope: "col" }, "Fates"),
        ),
      ),
      this.body,
    );
    this.element = h("div", { class: "scroll-x" }, this.said, this.table);
  }

  say(text) {
    this.said.hidden = !text;
    this.said.textContent = text;
    this.table.hidden = Boolean(text);
  }

  show(rows) {
    this.say("");
    this.body.replaceChildren(...[...rows].sort(byLosses).map((row) => this.#row(row)));
  }

  #row({ model, losses, fates, error, param }) {
    return h(
      "tr",
      { class: error ? "refused" : "" },
      h(
        "th",
        { scope: "row" },
        button(model, () => this.onchoose(model), { class: "path", title: "Use this model" }),
      ),
      Object.keys(SEVERITIES).map((severity) =>
        h("td", { class: `figure ${losses[severity] ? severity : "zero"}` }, String(losses[severity] ?? 0)),
      ),
      h(
        "td",
        {},
        error
          ? [forEyes("✕", "glyph rejected"), forReaders("yes: "), param ? h("code", {}, param) : "", ` ${error}`]
          : [forEyes("✓", "glyph exact"), "no"],
      ),
      h("td", {}, fateMarks(fates)),
    );
  }
}

// The fewest grave losses first, what is refused last.
function byLosses(a, b) {
  const weights = (row) => [row.error ? 1 : 0, ...Object.keys(SEVERITIES).map((severity) => row.losses[severity] ?? 0)];
  const [one, other] = [weights(a), weights(b)];
  const at = one.findIndex((weight, index) => weight !== other[index]);
  return at < 0 ? 0 : one[at] - other[at];
}

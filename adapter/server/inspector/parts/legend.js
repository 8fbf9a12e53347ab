// What the marks mean.

import { h } from "../base/dom.js";
import { FATES, SEVERITIES } from "../ledger/fates.js";
import { fateBadge, severityBadge } from "./marks.js";

const WEIGHT = {
  breaks: "The request fails, or the client misses what it relies on.",
  "changes-answers": "The answer may be another one.",
  costs: "It takes more tokens, calls or time.",
  cosmetic: "Nobody will notice.",
};

export function legend() {
  return h(
    "div",
    { class: "legend" },
    h(
      "section",
      {},
      h("h2", {}, "The fate of a field"),
      h(
        "dl",
        {},
        Object.entries(FATES).map(([fate, { what }]) => h("div", {}, h("dt", {}, fateBadge(fate)), h("dd", {}, what))),
      ),
    ),
    h(
      "section",
      {},
      h("h2", {}, "How much a loss matters"),
      h(
        "dl",
        {},
        Object.keys(SEVERITIES).map((severity) =>
          h("div", {}, h("dt", {}, severityBadge(severity)), h("dd", {}, WEIGHT[severity])),
        ),
      ),
    ),
  );
}

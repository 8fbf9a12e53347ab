// What each code of the ledger means, and what one can do.

import { h } from "../base/dom.js";
import { codes } from "../base/server.js";
import { SEVERITIES } from "../ledger/fates.js";
import { severityBadge } from "../parts/marks.js";

export class Codes {
  constructor() {
    this.body = h("div", { class: "codes" }, h("p", { class: "empty" }, "One moment."));
    this.element = h(
      "div",
      { class: "view page", tabindex: "0" },
      h("h2", {}, "Codes"),
      h(
        "p",
        { class: "muted" },
        "Each loss has a code, whatever the endpoint. ",
        h("code", {}, "--notes CODE=allow"),
        " and ",
        h("code", {}, "--notes CODE=reject"),
        " decide about one, ",
        h("code", {}, "--strict LEVEL"),
        " about all of a severity.",
      ),
      this.body,
    );
  }

  async show({ key }) {
    if (!this.shown) {
      this.shown = await codes();
      this.body.replaceChildren(
        ...Object.keys(SEVERITIES).map((severity) =>
          section(
            severity,
            this.shown.filter((code) => code.severity === severity),
          ),
        ),
      );
    }
    for (const entry of this.body.querySelectorAll(".code-entry"))
      entry.classList.toggle("chosen", entry.dataset.code === key);
    this.body.querySelector(".chosen")?.scrollIntoView({ block: "center" });
  }
}

function section(severity, codes) {
  return h(
    "section",
    {},
    h("h3", {}, severityBadge(severity)),
    h(
      "dl",
      {},
      codes.map((code) =>
        h(
          "div",
          { class: "code-entry", "data-code": code.name },
          h("dt", {}, h("code", {}, code.name)),
          h("dd", {}, code.sentence, " ", h("span", { class: "muted" }, code.advice)),
        ),
      ),
    ),
  );
}

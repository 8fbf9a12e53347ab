// The ledger as a table: equal notes are one row, whose fields unfold; fates can be chosen.

import { button, forEyes, forReaders, h } from "../base/dom.js";
import { count } from "../base/format.js";
import { linkTo } from "../base/route.js";
import { FATES, grouped } from "../ledger/fates.js";
import { fateBadge, severityBadge } from "./marks.js";

const SHOWN = 3;

export class Fields {
  #fates = new Set();
  #notes = [];
  #shown = null;

  constructor({ onpick }) {
    this.onpick = onpick;
    this.filter = h("div", { class: "chips", role: "group", "aria-label": "Show fates" });
    this.body = h("tbody");
    this.none = h("p", { class: "empty", hidden: true });
    this.table = h(
      "table",
      { class: "fields" },
      h("caption", { class: "for-readers" }, "What became of the fields"),
      h(
        "thead",
        {},
        h("tr", {}, ...["Fate", "Fields", "What happened"].map((title) => h("th", { scope: "col" }, title))),
      ),
      this.body,
    );
    this.element = h("div", {}, this.filter, this.table, this.none);
  }

  // `none`: what is said where there are no notes.
  show(exchange, notes, none = "No field of this request has a rule here.") {
    const state = JSON.stringify([notes, none]);
    if (state === this.#shown) return;
    this.#shown = state;
    this.none.textContent = none;
    this.#notes = notes;
    this.#fates.clear();
    this.#draw();
  }

  #draw() {
    const counts = Object.keys(FATES)
      .map((fate) => [fate, this.#notes.filter((note) => note.fate === fate).length])
      .filter(([, number]) => number);
    this.filter.replaceChildren(...(counts.length > 1 ? counts.map(([fate, number]) => this.#chip(fate, number)) : []));
    this.#rows();
  }

  #chip(fate, number) {
    const chip = button(
      [forEyes(FATES[fate].glyph), `${FATES[fate].word} ${number}`],
      () => {
        if (!this.#fates.delete(fate)) this.#fates.add(fate);
        chip.setAttribute("aria-pressed", String(this.#fates.has(fate)));
        this.#rows();
      },
      { class: `chip ${fate}`, "aria-pressed": "false" },
    );
    return chip;
  }

  #rows() {
    const notes = this.#notes.filter((note) => !this.#fates.size || this.#fates.has(note.fate));
    this.body.replaceChildren(...grouped(notes).map((group) => this.#row(group)));
    this.table.hidden = !notes.length;
    this.none.hidden = Boolean(notes.length);
  }

  #row(group) {
    const reasons = [...new Set(group.notes.map((note) => note.reason).filter(Boolean))];
    return h(
      "tr",
      { class: group.fate },
      h("td", {}, fateBadge(group.fate), group.severity ? severityBadge(group.severity) : ""),
      h(
        "td",
        {},
        group.notes.length > 1
          ? h(
              "span",
              { class: "times" },
              forEyes(`${group.notes.length}×`),
              forReaders(count(group.notes.length, "field")),
            )
          : "",
        this.#paths(group.notes),
      ),
      h(
        "td",
        {},
        h(
          "p",
          { class: "reason" },
          group.way === "answer" ? h("span", { class: "way" }, "in the answer") : "",
          reasonOf(reasons, group),
        ),
        group.advice ? h("p", { class: "muted" }, group.advice) : "",
        group.code ? h("a", { href: linkTo("codes", group.code), class: "code-link" }, group.code) : "",
      ),
    );
  }

  #paths(notes) {
    const paths = h("span", { class: "paths" });
    const show = (some) =>
      some.map((note) =>
        button(note.path, () => this.onpick(note.path), { class: "path", title: note.reason || FATES[note.fate].what }),
      );
    paths.append(...show(notes.length > SHOWN + 1 ? notes.slice(0, SHOWN) : notes));
    if (notes.length > SHOWN + 1) {
      const more = button(`${notes.length - SHOWN} more`, () => more.replaceWith(...show(notes.slice(SHOWN))), {
        class: "more",
      });
      paths.append(more);
    }
    return paths;
  }
}

function reasonOf(reasons, group) {
  if (!reasons.length) return FATES[group.fate].what;
  if (reasons.length === 1) return sentence(reasons[0]);
  return [
    sentence(reasons[0]),
    h(
      "details",
      {},
      h("summary", {}, `${reasons.length - 1} other ${reasons.length === 2 ? "wording" : "wordings"}`),
      h(
        "ul",
        {},
        reasons.slice(1).map((reason) => h("li", {}, reason)),
      ),
    ),
  ];
}

// Names stay as they are written.
const sentence = (text) => (/^[a-z]+(?=[ ,:]|$)/.test(text) ? `${text[0].toUpperCase()}${text.slice(1)}` : text);

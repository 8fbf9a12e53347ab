// One sentence about an exchange: who was asked, who answered, what was lost.

import { forEyes, h } from "../base/dom.js";
import { clock, count, duration, shortPath } from "../base/format.js";
import { lossesOf, SEVERITIES, verdictText } from "../ledger/fates.js";

// Draws nothing again that says the same. No `losses` (null): the request was not read, so nothing is said of them.
export class Verdict {
  #shown = "";

  constructor() {
    this.element = h("div", { class: "verdict" });
  }

  show(parts) {
    const state = JSON.stringify(parts);
    if (state === this.#shown) return;
    this.#shown = state;
    const { models, losses, trouble, facts, level } = parts;
    this.element.dataset.level = level;
    this.element.replaceChildren(
      losses || models.some(Boolean) ? h("h2", { class: "models" }, ...modelNames(models)) : "",
      losses ? h("p", { class: "sentence" }, ...sentence(losses)) : "",
      trouble ? h("p", { class: "trouble" }, forEyes("!", "glyph alarm"), trouble) : "",
      h(
        "p",
        { class: "facts muted" },
        facts.filter(Boolean).flatMap((fact, index) => [index ? forEyes(" · ", "dot") : "", fact]),
      ),
    );
  }
}

function modelNames([asked, answered]) {
  if (!asked && !answered) return ["no model"];
  if (!answered || asked === answered) return [asked || answered];
  return [asked || "?", forEyes(" → ", "arrow"), h("span", { class: "for-readers" }, " answered by "), answered];
}

function sentence(losses) {
  if (!losses.length) return [h("span", { class: "severity none" }, forEyes("✓"), "Nothing lost")];
  return losses.map(({ severity, phrase, names }) =>
    h(
      "span",
      { class: `severity ${severity}` },
      forEyes(SEVERITIES[severity].glyph),
      phrase,
      names ? h("span", { class: "names" }, ` (${names})`) : "",
    ),
  );
}

export function verdictOf(exchange, notes, running) {
  const models = [exchange.model_asked, exchange.model];
  const losses = lossesOf(notes);
  const trouble = troubleOf(exchange, running);
  const isRead = losses.length > 0 || exchange.plan || exchange.outcome !== "error";
  return {
    models,
    losses: isRead ? losses : null,
    trouble,
    level: trouble ? (running ? "costs" : "error") : (losses[0]?.severity ?? "none"),
    facts: factsOf(exchange, running),
    text: verdictText(notes, { asked: models[0], answered: models[1] }),
  };
}

function troubleOf(exchange, running) {
  if (running) return running.trouble;
  if (exchange.outcome === "complete") return "";
  const said = errorOf(exchange.answer);
  const what = {
    error: `Answered ${exchange.status}`,
    broken: "The stream broke off",
    gone: "The client went away before the end",
  }[exchange.outcome];
  const sent = exchange.was_sent === false && exchange.outcome === "error" ? " It never went to Gemini." : "";
  return `${what}${exchange.error ? ` ${exchange.error}` : ""}${said ? `: ${said}` : "."}${sent}`;
}

function errorOf(answer) {
  for (const piece of [...answer].reverse()) {
    const found = /"error":\s*(\{[^]*)/.exec(piece);
    const message = found && /"message":\s*("(?:[^"\\]|\\[^])*")/.exec(found[1]);
    if (message) return JSON.parse(message[1]);
  }
  return "";
}

function factsOf(exchange, running) {
  const path = `${exchange.method === "POST" ? "" : `${exchange.method} `}${shortPath(exchange.path)}`;
  const tokens = exchange.tokens ? `${exchange.tokens[0] ?? 0} → ${exchange.tokens[1] ?? 0} tokens` : "";
  const first = exchange.first_event_ms ? `first event ${duration(exchange.first_event_ms)}` : "";
  const calls = exchange.calls.length > 1 ? count(exchange.calls.length, "call") : "";
  const all = running ? running.elapsed : duration(exchange.milliseconds);
  return [
    running ? "running" : String(exchange.status),
    exchange.stream ? "stream" : "",
    first,
    all,
    tokens,
    calls,
    path,
    clock(exchange.started_at),
    exchange.id,
  ];
}

// Run a request again, on another model or with another level of thinking. Nothing is sent before the click.

import { button, h, setText } from "../base/dom.js";
import { runRequest } from "../base/server.js";
import { go, linkTo } from "../base/route.js";
import { ENDS_KEPT, isShortened } from "../ledger/shortened.js";

const LEVELS = ["none", "minimal", "low", "medium", "high", "xhigh"];
const OTHERS = "Only chat and Responses requests can be run from here.";
let made = 0;

export class Rerun {
  #request = "";

  // `tab`: what is opened of the new request; without one, the tab that was open last.
  constructor({ facts, whole = null, tab = "" }) {
    const id = `rerun${(made += 1)}`;
    this.facts = facts;
    this.whole = whole;
    this.tab = tab;
    this.model = h("input", { list: `${id}-models`, id: `${id}-model`, autocomplete: "off", spellcheck: "false" });
    this.models = h("datalist", { id: `${id}-models` });
    this.level = h(
      "select",
      { id: `${id}-level` },
      h("option", { value: "" }, "as the request says"),
      LEVELS.map((level) => h("option", { value: level }, level)),
    );
    this.send = button(`Send to ${facts.upstream_label}`, () => this.#run(), { class: "primary" });
    this.said = h("p", { class: "muted", role: "status" });
    this.form = h(
      "div",
      { class: "form" },
      h("label", { for: `${id}-model` }, "Model"),
      this.model,
      this.models,
      h("label", { for: `${id}-level` }, "Thinking level"),
      this.level,
      this.send,
    );
    this.empty = h("p", { class: "empty", hidden: true });
    this.element = h("div", {}, this.form, this.empty, this.said);
  }

  offer(models) {
    this.models.replaceChildren(...models.map((model) => h("option", { value: model })));
  }

  show({ key = "", path, request, is_part = false, why = OTHERS }) {
    const can = !is_part && ["/v1/chat/completions", "/v1/responses"].includes(path) && modelOf(request) !== null;
    this.form.hidden = !can;
    this.empty.hidden = can;
    setText(this.empty, is_part ? ENDS_KEPT : why);
    if (this.key === `${key}${request}`) return;
    this.key = `${key}${request}`;
    this.exchange = key;
    this.path = path;
    this.#request = request;
    this.said.textContent = "";
    if (can) this.model.value = modelOf(request);
  }

  async #run() {
    const id = `page-${crypto.randomUUID?.() ?? Date.now()}`;
    this.send.disabled = true;
    this.said.textContent = `Sent to ${this.facts.upstream_label}; it is in the list as ${id}.`;
    try {
      const request =
        this.whole && isShortened(this.#request) ? (await this.whole(this.exchange)).request : this.#request;
      const answer = runRequest(changed(request, this.path, this.model.value.trim(), this.level.value), this.path, id);
      go(linkTo("requests", id, this.tab));
      await answer;
    } catch (error) {
      this.said.textContent = error.message;
    } finally {
      this.send.disabled = false;
    }
  }
}

function modelOf(request) {
  try {
    return JSON.parse(request).model ?? "";
  } catch {
    return null;
  }
}

function changed(request, path, model, level) {
  // What is not changed is sent as it was written.
  if (!level && (!model || model === modelOf(request))) return request;
  const body = JSON.parse(request);
  if (model) body.model = model;
  if (!level) return JSON.stringify(body);
  if (path === "/v1/responses") body.reasoning = { ...body.reasoning, effort: level };
  else body.reasoning_effort = level;
  return JSON.stringify(body);
}

// The list and one request of it.

import { h } from "../base/dom.js";
import { Feed } from "../base/feed.js";
import { go, linkTo } from "../base/route.js";
import { capabilities } from "../base/server.js";
import { modelNames } from "./models.js";
import { Detail } from "./detail.js";
import { List } from "./list.js";
import { TestRequest } from "./setup.js";

export class Requests {
  #route = { key: "", tab: "" };

  constructor({ facts, onstate }) {
    const empty = h(
      "div",
      { class: "empty welcome", hidden: true },
      h("h2", {}, "No requests yet"),
      h("p", {}, "Point a program at this base URL, or send a test request from here. It shows up at once."),
      h("p", {}, h("code", { class: "url" }, new URL("v1", location.href).href)),
      new TestRequest({ facts }).element,
      h(
        "p",
        {},
        h("a", { href: linkTo("setup") }, "How to set up a client"),
        ", or ",
        h("a", { href: linkTo("paste") }, "paste a request"),
        " to see what would become of it.",
      ),
    );
    this.list = new List({ empty, onchange: (rows) => this.#changed(rows) });
    this.detail = new Detail({
      facts,
      elapsedOf: (exchange) => this.list.elapsed(this.list.find(exchange.key) ?? exchange),
      ontab: (tab) => go(linkTo("requests", this.#route.key, tab), { replace: true }),
    });
    const back = h("a", { class: "back", href: linkTo("requests") }, "← All requests");
    this.detail.element.prepend(back);
    this.element = h("div", { class: "view three" }, this.list.element, this.detail.element);
    this.feed = new Feed({ onchanges: (changes) => this.list.take(changes), onstate });
    this.feed.run();
    capabilities().then(
      (shown) => this.detail.parts.again.offer(modelNames(shown)),
      () => {},
    );
  }

  // A request that the page does not have yet may come with the next change.
  #changed(rows) {
    if (rows.some((row) => this.detail.is(row))) this.detail.refresh();
  }

  show(route) {
    this.#route = route;
    this.element.classList.toggle("one", Boolean(route.key));
    if (this.list.selected !== route.key) this.list.select(route.key);
    if (route.tab) this.detail.tabs.select(route.tab, { quiet: true });
    this.detail.open(route.key);
  }

  // j and k go through the list.
  move(step) {
    const row = this.list.neighbour(step);
    if (!row) return;
    // The address tells of its change in a later event, and the next key may come before it.
    this.list.select(row.key);
    go(linkTo("requests", row.key, this.detail.tabs.selected));
    this.list.focus(row.key);
  }

  search() {
    this.list.filters.search.focus();
    this.list.filters.search.select();
  }
}

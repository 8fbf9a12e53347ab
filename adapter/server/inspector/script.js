// The page at /: what became of each field of each request. Parts: base (no knowledge of requests), ledger (pure
// functions), parts (elements of a request), views (whole screens). Nothing here comes from another site.

import { announce, byId, h } from "./base/dom.js";
import { go, linkTo, onroute } from "./base/route.js";
import { about } from "./base/server.js";
import { Codes } from "./views/codes.js";
import { Models } from "./views/models.js";
import { Paste } from "./views/paste.js";
import { Requests } from "./views/requests.js";
import { Setup } from "./views/setup.js";

const STATES = {
  connecting: "Connecting",
  live: "Live",
  polling: "Asks every 2 s",
  lost: "Server lost: trying again",
  closed: "Closed",
};

function showState(state, why = "") {
  const shown = byId("state");
  if (shown.dataset.state === state) return;
  const before = shown.dataset.state;
  shown.dataset.state = state;
  shown.textContent = STATES[state];
  const banner = byId("lost");
  banner.hidden = state !== "lost" && state !== "closed";
  banner.textContent =
    state === "lost"
      ? "The server does not answer. What is shown is what was last known; the page tries again by itself."
      : why;
  if (before === "lost" && state === "live") announce("The server is back.");
}

function showFacts(facts) {
  const what = byId("upstream");
  what.textContent = facts.emulator ? "Built-in emulator answers" : facts.upstream_label;
  what.title = facts.emulator
    ? "No key is set: answers are invented by the built-in Gemini emulator."
    : `Requests go to ${facts.upstream_label}.`;
  what.classList.toggle("emulated", facts.emulator);
  what.hidden = false;
}

const isTyping = (target) => target.closest("input, textarea, select, [contenteditable]") !== null;

function onkey(event, views, route) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "Escape" && isTyping(event.target)) return event.target.blur();
  if (isTyping(event.target)) return;
  if (event.key === "/") {
    if (route().view !== "requests") go(linkTo("requests"));
    views.requests.search();
    event.preventDefault();
  } else if (route().view === "requests" && (event.key === "j" || event.key === "k")) {
    views.requests.move(event.key === "j" ? 1 : -1);
  } else if (event.key === "Escape" && route().view === "requests" && route().key) {
    go(linkTo("requests"));
  }
}

async function start() {
  const main = byId("main");
  let facts;
  try {
    facts = await about();
  } catch (error) {
    main.append(h("p", { class: "empty message", role: "alert" }, `The page cannot be shown: ${error.message}`));
    return;
  }
  facts.upstream_label = facts.emulator ? "the emulator" : facts.upstream;
  showFacts(facts);
  const views = {
    requests: new Requests({ facts, onstate: showState }),
    paste: new Paste({ facts }),
    models: new Models(),
    codes: new Codes(),
    setup: new Setup({ facts }),
  };
  for (const view of Object.values(views)) main.append(view.element);
  let now = null;
  onroute((route) => {
    now = route;
    for (const [name, view] of Object.entries(views)) view.element.hidden = name !== route.view;
    for (const link of byId("nav").children) {
      if (link.dataset.view === route.view) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    Promise.resolve(views[route.view].show(route)).catch((error) => announce(error.message));
  });
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  document.addEventListener("keydown", (event) => onkey(event, views, () => now));
}

start();

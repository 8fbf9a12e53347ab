// The list as it changes. It listens to server-sent events and goes on behind the last one after a break; where the
// server has no more room for listeners, or several processes, it asks again and again.
//
//   connecting -> live      the first event came
//   connecting -> polling   503: ask every two seconds, and after a while for a place again
//   any        -> lost      no connection, or nothing heard for 40 s: try again
//   any        -> closed    401 or 403: nobody asks again

import { eventsOf } from "./sse.js";
import { listExchanges, ServerError } from "./server.js";

const SILENCE = 40_000;
const POLL = 2_000;
const POLLS = 15;
const AGAIN = 1_500;

export class Feed {
  #last = "";

  constructor({ onchanges, onstate }) {
    this.onchanges = onchanges;
    this.onstate = onstate;
  }

  async run() {
    for (;;) {
      try {
        await this.#listen();
      } catch (error) {
        const status = error instanceof ServerError ? error.status : 0;
        if (status === 401 || status === 403) return this.onstate("closed", error.message);
        if (status === 503) await this.#poll();
        else this.onstate("lost");
      }
      await pause(AGAIN);
    }
  }

  async #listen() {
    const stop = new AbortController();
    let watch = setTimeout(() => stop.abort(), SILENCE);
    const headers = this.#last ? { "last-event-id": this.#last } : {};
    try {
      const answer = await fetch("inspector/changes", { headers, signal: stop.signal, cache: "no-store" });
      if (!answer.ok) throw await ServerError.of(answer);
      for await (const event of eventsOf(answer.body)) {
        clearTimeout(watch);
        watch = setTimeout(() => stop.abort(), SILENCE);
        this.onstate("live");
        this.#take(event);
      }
    } finally {
      clearTimeout(watch);
    }
    this.onstate("lost");
  }

  #take(event) {
    if (event.id !== null) this.#last = event.id;
    if (event.data !== null) this.onchanges(JSON.parse(event.data));
  }

  // Several processes have lists of their own: what one of them does not have, another may. One that has no room for
  // listeners may have some later.
  async #poll() {
    for (let left = POLLS; left > 0; left -= 1) {
      const { exchanges, processes } = await listExchanges();
      const kept = processes > 1 ? null : exchanges.map((row) => row.key);
      this.onstate("polling");
      this.onchanges({ now: Date.now() / 1000, reset: false, rows: exchanges, kept });
      await pause(POLL);
    }
  }
}

const pause = (milliseconds) =>
  new Promise((go) => {
    setTimeout(go, milliseconds);
  });

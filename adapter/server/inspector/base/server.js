// What the page asks its server.

// No form of another site can send this header.
const OWN = { "x-adapter-page": "1", "content-type": "application/json" };

export class ServerError extends Error {
  constructor(status, message, detail = {}) {
    super(message);
    this.status = status;
    this.detail = detail;
  }

  static async of(answer) {
    const text = await answer.text();
    const error = errorOf(text);
    return new ServerError(answer.status, error.message ?? `The server answered ${answer.status}.`, error);
  }
}

function errorOf(text) {
  try {
    return JSON.parse(text).error ?? {};
  } catch {
    return {};
  }
}

async function read(path) {
  const answer = await fetch(path, { cache: "no-store" });
  if (!answer.ok) throw await ServerError.of(answer);
  return answer.json();
}

async function send(path, body, headers = {}, signal = undefined) {
  const answer = await fetch(path, { method: "POST", headers: { ...OWN, ...headers }, body, signal });
  if (!answer.ok) throw await ServerError.of(answer);
  return answer;
}

export const about = () => read("inspector/about");
export const listExchanges = () => read("inspector/exchanges");
export const capabilities = () => read("inspector/capabilities");
export const codes = () => read("inspector/codes");

// Each of several processes has exchanges of its own, and any of them may answer.
export async function readExchange(key, { whole = false, processes = 1 } = {}) {
  const path = `inspector/exchanges/${encodeURIComponent(key)}${whole ? "?whole=true" : ""}`;
  for (let left = processes > 1 ? 10 * processes : 1; ; left -= 1) {
    try {
      return await read(path);
    } catch (error) {
      if (!(error instanceof ServerError) || error.status !== 404 || left <= 1) throw error;
    }
  }
}

export async function translate(body, endpoint, signal) {
  const answer = await send(`inspector/translate${query(endpoint)}`, body, {}, signal);
  return answer.json();
}

export async function compare(body, endpoint, signal) {
  const answer = await send(`inspector/compare${query(endpoint)}`, body, {}, signal);
  return (await answer.json()).models;
}

// The answer is read to its end: one that nobody reads is one that its client left.
export async function runRequest(body, endpoint, id) {
  const answer = await send(`inspector/run${query(endpoint)}`, body, { "x-client-request-id": id });
  return answer.text();
}

const query = (endpoint) => (endpoint ? `?endpoint=${encodeURIComponent(endpoint)}` : "");

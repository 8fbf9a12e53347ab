// Server-sent events of a response's body, as they come (https://html.spec.whatwg.org/multipage/server-sent-events.html).

export async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (held + value).split("\n\n");
      held = blocks.pop();
      for (const block of blocks) yield eventOf(block);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

// One event; one without data is a comment: the server lives.
export function eventOf(block) {
  const event = { id: null, name: "message", data: null };
  for (const line of block.split("\n")) {
    const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (field === "data") event.data = event.data === null ? value : `${event.data}\n${value}`;
    else if (field === "event") event.name = value;
    else if (field === "id") event.id = value;
  }
  return event;
}

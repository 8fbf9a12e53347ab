// Copy a text; where the browser forbids it (no https, no loopback), say so.

import { announce, button } from "./dom.js";

export function copyButton(textOf, label = "Copy") {
  const made = button(
    label,
    async () => {
      made.textContent = await copied(await textOf());
      announce(made.textContent);
      setTimeout(() => {
        made.textContent = label;
      }, 1500);
    },
    { class: "copy" },
  );
  return made;
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return "Copied";
  } catch {
    return "Select it by hand";
  }
}

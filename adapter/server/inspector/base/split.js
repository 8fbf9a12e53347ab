// A line between two areas that can be dragged, or moved by the arrow keys. The share is a custom property of the parent.

import { h } from "./dom.js";

const STEP = 4;

export function splitter(parent, { label, property, axis, share = 50, least = 15, most = 85 }) {
  const line = h("div", {
    class: `splitter ${axis}`,
    role: "separator",
    tabindex: "0",
    "aria-label": label,
    "aria-orientation": axis === "x" ? "vertical" : "horizontal",
    "aria-valuemin": least,
    "aria-valuemax": most,
  });
  let now = 0;
  const set = (value) => {
    now = Math.min(most, Math.max(least, value));
    parent.style.setProperty(property, `${now}fr`);
    parent.style.setProperty(`${property}-rest`, `${100 - now}fr`);
    line.setAttribute("aria-valuenow", String(Math.round(now)));
  };
  const drag = (event) => {
    const [before, after] = [line.previousElementSibling, line.nextElementSibling].map((side) =>
      side.getBoundingClientRect(),
    );
    if (axis === "x") set((100 * (event.clientX - before.left)) / (after.right - before.left));
    else set((100 * (event.clientY - before.top)) / (after.bottom - before.top));
  };
  line.addEventListener("pointerdown", (event) => {
    line.setPointerCapture(event.pointerId);
    line.addEventListener("pointermove", drag);
    event.preventDefault();
  });
  line.addEventListener("lostpointercapture", () => line.removeEventListener("pointermove", drag));
  line.addEventListener("keydown", (event) => {
    const step = { ArrowUp: -STEP, ArrowLeft: -STEP, ArrowDown: STEP, ArrowRight: STEP }[event.key];
    if (step === undefined) return;
    set(now + step);
    event.preventDefault();
    event.stopPropagation();
  });
  set(share);
  return line;
}

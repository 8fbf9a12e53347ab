// Deep links: #/requests/KEY/TAB, #/paste, #/models, #/codes/CODE, #/setup. The address bar alone knows where one is.

const VIEWS = ["requests", "paste", "models", "codes", "setup"];

export function current() {
  const steps = location.hash.replace(/^#\/?/, "").split("/").map(decode);
  if (VIEWS.includes(steps[0])) return { view: steps[0], key: steps[1] || "", tab: steps[2] || "" };
  // Links of earlier versions name an exchange alone.
  return { view: "requests", key: steps[0], tab: "" };
}

function decode(step) {
  try {
    return decodeURIComponent(step);
  } catch {
    return step;
  }
}

export function linkTo(view, key = "", tab = "") {
  const steps = [view, key, key && tab].filter(Boolean);
  return `#/${steps.map(encodeURIComponent).join("/")}`;
}

export function go(link, { replace = false } = {}) {
  if (location.hash === link) return;
  if (replace) {
    history.replaceState(null, "", link);
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  } else {
    location.hash = link;
  }
}

export function onroute(take) {
  window.addEventListener("hashchange", () => take(current()));
  take(current());
}

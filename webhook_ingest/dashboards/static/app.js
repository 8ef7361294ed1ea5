// The pages' one script: toasts, partial refresh, notices about the connection. Every page works without it.
// Texts are set as text, never as markup; parts come from the server's own page.
"use strict";

const TOAST_STAYS = 6000;
const SLOWEST = 8;

function toast(text, isError = false) {
  const one = document.createElement("p");
  one.className = isError ? "toast error" : "toast";
  one.textContent = text;
  document.getElementById("toasts").append(one);
  dismiss(one);
}

function dismiss(one) {
  setTimeout(() => one.remove(), TOAST_STAYS);
}

// The connection

function tell(text) {
  const banner = document.getElementById("connection");
  if (banner.textContent !== text) banner.textContent = text;
  banner.hidden = text === "";
}

const OFFLINE = "You are offline. What you see may be out of date.";
const AWAY = "PILAR does not answer. What you see may be out of date; we keep trying.";

addEventListener("offline", () => tell(OFFLINE));
addEventListener("online", () => {
  tell("");
  toast("You are online again.");
  refresh(parts());
});

// Partial refresh: the same page is fetched, and of it the parts that are due are put in place.

let misses = 0;
const due = new Map();

function parts() {
  return [...document.querySelectorAll("[data-refresh][id]")];
}

async function refresh(wanted) {
  let response;
  try {
    response = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
  } catch {
    misses += 1;
    tell(navigator.onLine ? AWAY : OFFLINE);
    return;
  }
  if (response.redirected) {
    location.reload(); // the session has ended
    return;
  }
  if (response.status === 405) return; // a form was refused: its address shows nothing to who only looks
  if (!response.ok) {
    misses += 1;
    tell(AWAY);
    return;
  }
  if (misses > 0) toast("PILAR answers again.");
  misses = 0;
  tell("");
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of wanted) {
    const update = fresh.getElementById(part.id);
    for (const one of part.querySelectorAll("details[open][id]")) fresh.getElementById(one.id)?.setAttribute("open", "");
    const isInUse = part.contains(document.activeElement) && document.activeElement !== document.body;
    if (update && !isInUse && part.innerHTML !== update.innerHTML) part.replaceWith(document.adoptNode(update));
  }
}

async function tick() {
  const now = Date.now();
  const wanted = parts().filter((part) => now >= (due.get(part.id) ?? now + 1));
  for (const part of parts()) {
    if (wanted.includes(part) || !due.has(part.id)) {
      const patience = Math.min(2 ** misses, SLOWEST);
      due.set(part.id, now + Number(part.dataset.refresh) * 1000 * patience);
    }
  }
  if (wanted.length > 0 && navigator.onLine && !document.hidden) await refresh(wanted);
  setTimeout(tick, 1000);
}

// A form is sent once, however often its button is pressed.

addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

addEventListener("error", () => toast("Something went wrong on this page. Reload it to go on.", true));

for (const one of document.querySelectorAll(".toast")) dismiss(one);
if (location.search.includes("notice=")) {
  const address = new URL(location.href);
  address.searchParams.delete("notice");
  history.replaceState(history.state, "", address);
}
if (!navigator.onLine) tell(OFFLINE);
if (parts().length > 0) tick();

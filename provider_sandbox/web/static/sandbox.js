// The site's one script: news without a reload, and forms that stay where they are. Every page works without it.
// Parts come from the server's own page, and what it escapes stays escaped.
"use strict";

const LOOK_EVERY = 800;
const AWAY = "The sandbox does not answer. What you see may be out of date; this page keeps trying.";

let version = "";
let isLooking = false;

function toBottom() {
  for (const one of document.querySelectorAll("[data-bottom]")) one.scrollTop = one.scrollHeight;
}

function tell(text) {
  const banner = document.getElementById("connection");
  if (banner.textContent !== text) banner.textContent = text;
  banner.hidden = text === "";
}

// Put the live parts of a fresh page in place of those that differ. What is open stays open, and what somebody is
// typing in is left alone.
function renew(fresh, isOurs) {
  for (const part of document.querySelectorAll("[data-live][id]")) {
    const update = fresh.getElementById(part.id);
    if (!update) continue;
    for (const one of part.querySelectorAll("details[open][id]")) fresh.getElementById(one.id)?.setAttribute("open", "");
    const focus = document.activeElement;
    const isTyping = part.contains(focus) && focus.matches("input, select, textarea");
    if ((isTyping && !isOurs) || part.innerHTML === update.innerHTML) continue;
    const wasAtBottom = part.scrollHeight - part.scrollTop - part.clientHeight < 60;
    const top = part.scrollTop;
    part.replaceChildren(...update.childNodes);
    if ("bottom" in part.dataset) part.scrollTop = wasAtBottom || isOurs ? part.scrollHeight : top;
  }
}

async function parsed(response) {
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

async function look() {
  if (isLooking || document.hidden) return;
  isLooking = true;
  try {
    const news = await (await fetch("/live", { cache: "no-store" })).json();
    if (version && news.version !== version) {
      const page = await fetch(location.href, { cache: "no-store", headers: { "X-Refresh": "1" } });
      if (page.ok) renew(await parsed(page), false);
    }
    version = news.version;
    tell("");
  } catch {
    tell(AWAY);
  } finally {
    isLooking = false;
  }
}

async function send(form, button) {
  const fields = new URLSearchParams(new FormData(form, button));
  let answer;
  try {
    answer = await fetch(form.action, { method: "POST", body: fields });
  } catch {
    tell(AWAY);
    return;
  }
  const came = new URL(answer.url);
  if (!answer.ok) {
    tell(`It was not done: the sandbox answered ${answer.status}. Reload the page and try again.`);
    return;
  }
  if (came.pathname + came.search !== location.pathname + location.search) {
    location.assign(answer.url);
    return;
  }
  const fresh = await parsed(answer);
  document.getElementById("notice").replaceChildren(...fresh.getElementById("notice").childNodes);
  const isRefused = document.querySelector("#notice [role=alert]") !== null;
  if ("clear" in form.dataset && !isRefused) form.reset();
  form.closest("details.react")?.removeAttribute("open");
  renew(fresh, true);
}

addEventListener("submit", (event) => {
  const form = event.target;
  if (!("stay" in form.dataset)) return;
  event.preventDefault();
  send(form, event.submitter);
});

addEventListener("visibilitychange", look);
setInterval(look, LOOK_EVERY);
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
toBottom();
look();

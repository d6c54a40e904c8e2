// The console works without this file; it saves a mistake, a triple click.
"use strict";

// Times and numbers are written as the reader's region does, in the language of the page.
const pageLanguage = document.documentElement.lang;
const LOCALE = navigator.languages.find((tag) => tag.split("-")[0] === pageLanguage) || pageLanguage;

// Times are written in UTC; a reader sees their own.
const showClocks = (within) => {
  for (const time of within.querySelectorAll("[data-clock]:not([title]), [data-when]:not([title])")) {
    const at = new Date(Number(time.dataset.clock || time.dataset.when) * 1000);
    time.title = at.toLocaleString(LOCALE);
    time.textContent = time.dataset.clock
      ? at.toLocaleTimeString(LOCALE, { hour: "2-digit", minute: "2-digit" })
      : at.toLocaleString(LOCALE, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
  }
};
showClocks(document);

// On a phone the menu scrolls sideways, and charts are wider than the screen: show the current page and the newest days.
const current = document.querySelector("nav [aria-current=page]");
if (current) current.parentElement.scrollLeft = current.offsetLeft - 40; // `scrollIntoView` would move the keyboard's place, too
for (const chart of document.querySelectorAll("[data-newest-last]")) chart.scrollLeft = chart.scrollWidth;

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

// Times come in UTC; they are shown in the reader's zone, and in UTC where a pointer rests.
function localTimes(root) {
  for (const time of root.querySelectorAll("time[data-local]")) {
    const at = new Date(time.dateTime);
    const timeStyle = time.dataset.local === "second" ? "medium" : "short";
    time.title = time.textContent;
    time.textContent = at.toLocaleString(LOCALE, { dateStyle: "medium", timeStyle });
    time.removeAttribute("data-local");
  }
}
localTimes(document);

// A part of the page that waits for something is loaded anew until it does not.
for (const part of document.querySelectorAll("[data-refresh]")) refresh(part);

function refresh(part) {
  setTimeout(async () => {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const fresh = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(part.id);
    if (!fresh) return;
    localTimes(fresh);
    part.replaceWith(fresh);
    if (fresh.dataset.refresh) refresh(fresh);
  }, 1000 * part.dataset.refresh);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = document.body.dataset.copied;
  });
}

// Keyboard shortcuts of buttons, links and boxes; off while something is typed and with Ctrl, Alt or Meta.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=radio], [type=checkbox]), select, textarea")) return;
  const target = /^[a-z0-9]$/i.test(event.key) && document.querySelector(`[data-key="${event.key.toLowerCase()}"]`);
  if (!target) return;
  event.preventDefault();
  target.click();
});

for (const box of document.querySelectorAll("[data-hides]")) {
  box.closest("[hidden]")?.removeAttribute("hidden");
  box.addEventListener("change", () => document.getElementById(box.dataset.hides).classList.toggle("without-heat", !box.checked));
}

for (const image of document.querySelectorAll("img[data-optional]")) {
  const hide = () => (image.hidden = true);
  if (image.complete && !image.naturalWidth) hide();
  else image.addEventListener("error", hide);
}

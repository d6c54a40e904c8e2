// One print's page: follows the server while the print is watched, and scrubs through its pictures.
"use strict";

const page = document.getElementById("print");
const scrub = document.getElementById("at");
const newest = document.getElementById("newest");
const DEBOUNCE_MS = 120;

let following = page.dataset.newest === "1"; // whether the newest moment is shown

const show = (name, html) => {
  const place = document.getElementById(name);
  if (!place) return;
  const part = parsed(html);
  const focused = place.contains(document.activeElement) ? document.activeElement.getAttribute("rel") : null;
  keepPicture(part, place);
  place.replaceChildren(part);
  prepare(place);
  if (focused) place.querySelector(`[rel=${focused}]`)?.focus({ preventScroll: true });
};

const prepare = (place) => {
  showAges(place);
  const box = place.querySelector("#heat-switch");
  if (!box) return;
  box.closest("label").hidden = false;
  switchHeat(box, page);
};

// Moments
let asked = 0;
const choose = async (second) => {
  const mine = ++asked;
  following = second === null;
  if (newest) newest.hidden = following;
  const query = following ? "" : `?at=${second}`;
  history.replaceState(null, "", location.pathname + query);
  const answer = await fetch(`${page.dataset.print}/moment${query}`, { redirect: "error" });
  if (answer.ok && mine === asked) show("moment", await answer.text());
};

let waiting = 0;
scrub?.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => choose(scrub.value), DEBOUNCE_MS);
});

page.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const target = new URL(link.getAttribute("href"), location.href);
  if (target.pathname !== page.dataset.print) return;
  event.preventDefault();
  const second = target.searchParams.get("at");
  if (scrub) scrub.value = second === null ? scrub.max : second;
  choose(second);
});

// What is new
if (page.dataset.live === "1") follow(`${page.dataset.print}/live`, page, page.dataset.signIn, (news) => {
  show("status", news.status);
  if (document.getElementById("course") === null && news.course) return location.reload(); // the first picture
  show("course", news.course);
  show("story", news.story);
  if (following) show("moment", news.moment);
  if (scrub && news.last !== undefined) {
    scrub.max = news.last;
    if (following) scrub.value = news.last;
  }
  showFailing(news.failing ? 1 : 0, page.dataset);
});

setServerTime(page.dataset.now);
setInterval(() => showAges(page), 1000);
hideMissing(page);
prepare(page);

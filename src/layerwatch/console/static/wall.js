// The wall of live prints follows the server; without this file the page reloads itself now and then.
"use strict";

const wall = document.getElementById("wall");
const bar = document.getElementById("bar");
const banner = document.getElementById("connection");
const icon = document.querySelector("link[rel=icon]");

const SILENCE_MS = 15000; // three missed beats
const RECONNECT_MS = 5000; // a stream ends every minute and is opened again at once
const RETRY_MS = 5000;

for (const part of document.querySelectorAll("[data-script]")) part.hidden = false;

// Time: ages count in the server's time; hours of the day are the reader's.
let ahead = Number(wall.dataset.now) - Date.now() / 1000;

const age = (seconds) => {
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]])
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  return `${Math.max(0, Math.floor(seconds))} s`;
};

const showTimes = (within = wall) => {
  const now = Date.now() / 1000 + ahead;
  for (const time of within.querySelectorAll("[data-ago]")) {
    const text = age(now - Number(time.dataset.ago));
    if (time.textContent !== text) time.textContent = text;
  }
  for (const time of within.querySelectorAll("[data-clock]:not([title])")) {
    const at = new Date(Number(time.dataset.clock) * 1000);
    time.title = at.toLocaleString();
    time.textContent = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  }
};

// Cards
const parsed = (html) => {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
};

// The old picture stays until the new one is there.
const keepPicture = (card, before) => {
  const old = before ? [...before.querySelectorAll("img")] : [];
  for (const [place, image] of [...card.querySelectorAll("img")].entries()) {
    const shown = old[place];
    if (!shown || shown.className !== image.className || !shown.complete) continue;
    const next = image.getAttribute("src");
    if (shown.getAttribute("src") === next) continue;
    image.src = shown.src;
    const loader = new Image();
    loader.onload = () => { image.src = next; };
    loader.onerror = () => { image.src = next; };
    loader.src = next;
  }
};

const replaceCards = (cards) => {
  const fresh = new Map();
  for (const [id, html] of Object.entries(cards)) {
    const card = parsed(html).firstElementChild;
    const before = document.getElementById(`p-${id}`);
    if (before && before.dataset.key === card.dataset.key) continue;
    keepPicture(card, before);
    showTimes(card);
    if (before) before.replaceWith(card);
    else fresh.set(id, card);
  }
  return fresh;
};

const arrange = (frame, fresh) => {
  const content = parsed(frame);
  for (const place of content.querySelectorAll("template[data-print]")) {
    const id = place.dataset.print;
    const card = fresh.get(id) || document.getElementById(`p-${id}`);
    if (card) place.replaceWith(card);
  }
  wall.replaceChildren(content);
};

const keepFocus = (change) => {
  const focused = document.activeElement;
  const card = focused && focused.closest && focused.closest(".print");
  const name = card && focused.getAttribute("value");
  change();
  if (!card || document.activeElement === focused) return;
  const again = document.getElementById(card.id);
  const target = again && [...again.querySelectorAll("button")].find((button) => button.value === name);
  if (target) target.focus({ preventScroll: true });
};

// Warnings: in the tab's title and icon, and as a sound
let failing = Number(wall.dataset.failing);
let audio = null;
const sound = document.getElementById("sound-switch");
sound.checked = localStorage.getItem("sound") === "on";

const wakeAudio = () => {
  if (sound.checked) {
    audio = audio || new AudioContext();
    audio.resume();
  }
};
sound.addEventListener("change", () => {
  localStorage.setItem("sound", sound.checked ? "on" : "off");
  wakeAudio();
  if (sound.checked) ring();
});
document.addEventListener("pointerdown", wakeAudio, { once: true }); // browsers allow sound after a gesture

const ring = () => {
  if (!sound.checked || !audio) return;
  for (const [after, pitch] of [[0, 880], [0.25, 660]]) {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.2, audio.currentTime + after);
    volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + after + 0.22);
    tone.connect(volume).connect(audio.destination);
    tone.start(audio.currentTime + after);
    tone.stop(audio.currentTime + after + 0.24);
  }
};

const showFailing = (count) => {
  if (count > failing) ring();
  failing = count;
  document.title = document.title.replace(/^\(\d+\) /, "");
  if (count) document.title = `(${count}) ${document.title}`;
  icon.href = count ? wall.dataset.failingIcon : wall.dataset.icon;
};

// The connection
let stream = null;
let heard = Date.now();
let lost = 0; // when the stream broke off; 0 while it is there
let over = false;

const say = (text, link) => {
  banner.hidden = !text;
  wall.classList.toggle("stale", Boolean(text));
  if (banner.dataset.text === text) return;
  banner.dataset.text = text;
  banner.textContent = text;
  if (link) {
    const anchor = document.createElement("a");
    [anchor.textContent, anchor.href] = link;
    banner.append(" ", anchor);
  }
};

const alive = (event) => {
  heard = Date.now();
  lost = 0;
  const news = JSON.parse(event.data);
  if (news.now) ahead = news.now - heard / 1000;
  return news;
};

const end = (why) => {
  over = true;
  stream.close();
  if (why === "signed-out") say("You are signed out. What is shown here is old.", ["Sign in", wall.dataset.signIn]);
  else say("You work in another account now. What is shown here is old.", ["Show its prints", "/console/"]);
};

const open = () => {
  stream = new EventSource(wall.dataset.stream);
  stream.addEventListener("wall", (event) => {
    const news = alive(event);
    keepFocus(() => {
      const fresh = replaceCards(news.cards);
      if (news.frame !== undefined) arrange(news.frame, fresh);
    });
    if (news.bar !== undefined) bar.innerHTML = news.bar;
    if (news.failing !== undefined) showFailing(news.failing);
    say("");
  });
  stream.addEventListener("beat", (event) => {
    alive(event);
    say("");
  });
  stream.addEventListener("away", (event) => {
    alive(event);
    say("Not live: the server's database does not answer. What is shown here is old.");
  });
  stream.addEventListener("busy", (event) => {
    alive(event);
    say("Not live: too many pages are open at once. Close some of them.");
  });
  stream.addEventListener("ended", (event) => end(alive(event).why));
  stream.addEventListener("error", () => {
    lost = lost || Date.now();
    if (!over && stream.readyState === EventSource.CLOSED) setTimeout(ask, RETRY_MS); // else the browser retries
  });
};

// The answer was no stream: because the reader is signed out, or the server has trouble?
const ask = async () => {
  const leave = new AbortController();
  try {
    const answer = await fetch(wall.dataset.stream, { redirect: "manual", signal: leave.signal });
    leave.abort();
    if (answer.type === "opaqueredirect") return end("signed-out");
  } catch {
    // Still away.
  }
  open();
};

setInterval(() => {
  showTimes();
  if (over) return;
  const now = Date.now();
  if (now - heard > SILENCE_MS || (lost && now - lost > RECONNECT_MS)) say("Not live: the server does not answer. Trying again…");
}, 1000);

// Pictures that cannot be had
wall.addEventListener("error", (event) => {
  if (event.target.tagName === "IMG") event.target.classList.add("missing");
}, true);

const heat = document.getElementById("heat-switch");
const showHeat = () => wall.classList.toggle("without-heat", !heat.checked);
heat.checked = localStorage.getItem("heat") !== "off";
heat.addEventListener("change", () => {
  localStorage.setItem("heat", heat.checked ? "on" : "off");
  showHeat();
});
showHeat();
showTimes();
open();

// What pages of live prints share: times, the tab's title and icon, the stream and the banner when it is not live.
"use strict";

const banner = document.getElementById("connection"); // its data are the texts that it shows
const icon = document.querySelector("link[rel=icon]");

const SILENCE_MS = 15000; // three missed beats
const RECONNECT_MS = 5000; // a stream ends every minute and is opened again at once
const RETRY_MS = 5000;

for (const part of document.querySelectorAll("[data-script]")) part.hidden = false;
for (const part of document.querySelectorAll("[data-scriptless]")) part.hidden = true;

const parsed = (html) => {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
};

// Time: ages count in the server's time; hours of the day are the reader's.
let ahead = 0;
const setServerTime = (seconds) => { ahead = Number(seconds) - Date.now() / 1000; };

const age = (seconds) => {
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]])
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  return `${Math.max(0, Math.floor(seconds))} s`;
};

const showAges = (within) => {
  const now = Date.now() / 1000 + ahead;
  for (const time of within.querySelectorAll("[data-ago]")) {
    const text = age(now - Number(time.dataset.ago));
    if (time.textContent !== text) time.textContent = text;
  }
  showClocks(within);
};

const showFailing = (count, { icon: calm, failingIcon }) => {
  document.title = document.title.replace(/^\(\d+\) /, "");
  if (count) document.title = `(${count}) ${document.title}`;
  icon.href = count ? failingIcon : calm;
};

// Pictures that cannot be had
const hideMissing = (within) => within.addEventListener("error", (event) => {
  if (event.target.tagName === "IMG") event.target.classList.add("missing");
}, true);

// The old picture stays until the new one is there.
const keepPicture = (part, before) => {
  const old = before ? [...before.querySelectorAll("img")] : [];
  const tile = before?.querySelector("svg.picture"); // of the sheet: under the card's own picture until that is there
  const image = part.querySelector(".view > img:not(.heat)");
  if (tile && image) {
    tile.setAttribute("aria-hidden", "true");
    tile.removeAttribute("role");
    image.before(tile);
    return;
  }
  for (const [place, image] of [...part.querySelectorAll("img")].entries()) {
    const shown = old[place];
    if (!shown || shown.className !== image.className || !shown.complete || !shown.naturalWidth) continue;
    const next = image.getAttribute("src");
    if (shown.getAttribute("src") === next) continue;
    image.src = shown.src;
    const loader = new Image();
    loader.onload = () => { image.src = next; };
    loader.onerror = () => { image.src = next; };
    loader.src = next;
  }
};

// Follow a stream: `news` is called with what changed; `stale` is the part that is greyed while nothing comes.
const follow = (address, stale, signIn, news) => {
  let stream = null;
  let heard = Date.now();
  let lost = 0; // when the stream broke off; 0 while it is there
  let over = false;

  const say = (text, link) => {
    banner.hidden = !text;
    stale.classList.toggle("stale", Boolean(text));
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
    const data = JSON.parse(event.data);
    if (data.now) setServerTime(data.now);
    return data;
  };

  const end = (why) => {
    over = true;
    stream.close();
    if (why === "signed-out") say(banner.dataset.signedOut, [banner.dataset.signIn, signIn]);
    else say(banner.dataset.elsewhere, [banner.dataset.showPrints, "/console/"]);
  };

  const open = () => {
    stream = new EventSource(address);
    stream.addEventListener("news", (event) => {
      news(alive(event));
      say("");
    });
    stream.addEventListener("beat", (event) => {
      alive(event);
      say("");
    });
    stream.addEventListener("away", (event) => {
      alive(event);
      say(banner.dataset.away);
    });
    stream.addEventListener("busy", (event) => {
      alive(event);
      say(banner.dataset.busy);
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
      const answer = await fetch(address, { redirect: "manual", signal: leave.signal });
      leave.abort();
      if (answer.type === "opaqueredirect") return end("signed-out");
    } catch {
      // Still away.
    }
    open();
  };

  setInterval(() => {
    if (over) return;
    const now = Date.now();
    if (now - heard > SILENCE_MS || (lost && now - lost > RECONNECT_MS)) say(banner.dataset.silent);
  }, 1000);
  open();
};

// Map and boxes on or off, remembered
const switchHeat = (box, within) => {
  const show = () => within.classList.toggle("without-heat", !box.checked);
  box.checked = localStorage.getItem("heat") !== "off";
  box.addEventListener("change", () => {
    localStorage.setItem("heat", box.checked ? "on" : "off");
    show();
  });
  show();
};

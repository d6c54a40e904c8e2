// The wall of live prints follows the server; without this file the page reloads itself now and then.
"use strict";

const wall = document.getElementById("wall");
const bar = document.getElementById("bar");

setServerTime(wall.dataset.now);

// Cards
const replaceCards = (cards) => {
  const fresh = new Map();
  for (const [id, html] of Object.entries(cards)) {
    const card = parsed(html).firstElementChild;
    const before = document.getElementById(`p-${id}`);
    if (before && before.dataset.key === card.dataset.key) continue;
    keepPicture(card, before);
    showAges(card);
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

// Warnings: as a sound, too
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

const countFailing = (count) => {
  if (count > failing) ring();
  failing = count;
  showFailing(count, wall.dataset);
};

follow(wall.dataset.stream, wall, wall.dataset.signIn, (news) => {
  keepFocus(() => {
    const fresh = replaceCards(news.cards);
    if (news.frame !== undefined) arrange(news.frame, fresh);
  });
  if (news.bar !== undefined) bar.innerHTML = news.bar;
  if (news.failing !== undefined) countFailing(news.failing);
});
setInterval(() => showAges(wall), 1000);
hideMissing(wall);
switchHeat(document.getElementById("heat-switch"), wall);
showAges(wall);

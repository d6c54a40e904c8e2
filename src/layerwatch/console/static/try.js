// Several pictures, or pictures out of a video, one after the other; without this file the form takes one.
"use strict";

const form = document.getElementById("try");
const drop = document.getElementById("drop");
const results = document.getElementById("results");
const problem = document.getElementById("try-error");
const input = form.querySelector("input[type=file]");

const MAX_PICTURES = 24;
const VIDEO_PICTURES = 8;
const VIDEO_WAIT_MS = 15000;

for (const part of document.querySelectorAll("[data-script]")) part.hidden = false;
input.multiple = true;
input.accept = "image/jpeg,video/*";

const say = (text) => {
  problem.hidden = !text;
  problem.textContent = text;
};

const send = async (picture) => {
  const body = new FormData();
  body.append("form_token", form.elements.form_token.value);
  body.append("part", "1");
  body.append("picture", picture, "picture.jpg");
  const answer = await fetch(form.action, { method: "POST", body, redirect: "error" });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!answer.ok) throw new Error((page.querySelector("[role=alert]") || page.querySelector("main p"))?.textContent || form.dataset.failed);
  results.prepend(page.querySelector(".tried"));
};

const happened = (target, name) => new Promise((resolve, reject) => {
  const wrong = () => reject(new Error(form.dataset.unreadable));
  setTimeout(wrong, VIDEO_WAIT_MS);
  target.addEventListener(name, resolve, { once: true });
  target.addEventListener("error", wrong, { once: true });
});

const picturesOf = async function* (file) {
  const video = document.createElement("video");
  video.muted = true;
  const ready = happened(video, "loadeddata");
  video.src = URL.createObjectURL(file);
  try {
    await ready;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    for (let number = 0; number < VIDEO_PICTURES; number++) {
      const there = happened(video, "seeked");
      video.currentTime = (video.duration * (number + 0.5)) / VIDEO_PICTURES;
      await there;
      canvas.getContext("2d").drawImage(video, 0, 0);
      yield await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.9));
    }
  } finally {
    URL.revokeObjectURL(video.src);
  }
};

const take = async (files) => {
  say("");
  form.querySelector("button").disabled = true;
  try {
    for (const file of [...files].slice(0, MAX_PICTURES)) {
      if (file.type.startsWith("video/")) for await (const picture of picturesOf(file)) await send(picture);
      else await send(file);
    }
  } catch (error) {
    say(error.message);
  } finally {
    form.querySelector("button").disabled = false;
  }
};

form.addEventListener("submit", (event) => {
  event.preventDefault();
  take(input.files);
});
drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  take(event.dataTransfer.files);
});

"use strict";
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const name = () => { button.textContent = dark() ? "Light" : "Dark"; };
  button.hidden = false;
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; name(); });
  name();

  // Titles inside the time line appear at once instead of after a second.
  const tip = document.createElement("div");
  tip.id = "tip"; tip.hidden = true; document.body.append(tip);
  for (const title of document.querySelectorAll(".timeline g title, .timeline rect title")) {
    const owner = title.parentNode;
    owner.dataset.tip = title.textContent;
    title.remove();
  }
  document.addEventListener("mousemove", (event) => {
    const owner = event.target.closest ? event.target.closest("[data-tip]") : null;
    tip.hidden = !owner;
    if (!owner) return;
    tip.textContent = owner.dataset.tip;
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8)) + "px";
    tip.style.top = (event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 10 : event.clientY + 18) + "px";
  });

  // A line over the picture shows where the player is; a click on the picture goes there.
  for (const figure of document.querySelectorAll("figure")) {
    const player = figure.querySelector("audio"), picture = figure.querySelector(".picture"), head = figure.querySelector(".head");
    if (!player) continue;
    const length = Number(picture.dataset.seconds);
    const follow = () => {
      head.style.display = "block";
      head.style.left = 100 * player.currentTime / length + "%";
      if (!player.paused) requestAnimationFrame(follow);
    };
    player.addEventListener("play", () => {
      for (const other of document.querySelectorAll("audio")) if (other !== player) other.pause();
      follow();
    });
    player.addEventListener("seeked", follow);
    picture.addEventListener("click", (event) => {
      const box = picture.getBoundingClientRect();
      player.currentTime = length * (event.clientX - box.left) / box.width;
      player.play();
    });
  }

  const search = document.getElementById("search");
  search.hidden = false;
  search.addEventListener("input", () => {
    const wanted = search.value.toLowerCase();
    for (const row of document.querySelectorAll("#events tbody tr")) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
})();

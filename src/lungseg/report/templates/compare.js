"use strict";
for (const figure of document.querySelectorAll(".compare")) {
  const pair = figure.querySelector(".pair"), input = figure.querySelector("input");
  const show = () => {
    figure.style.setProperty("--at", input.value + "%");
    input.setAttribute("aria-valuetext", (100 - input.value) + " percent of the marked picture");
  };
  const move = (event) => {
    const box = pair.getBoundingClientRect();
    input.value = Math.round(100 * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
    show();
  };
  pair.addEventListener("pointerdown", (event) => { pair.setPointerCapture(event.pointerId); move(event); });
  pair.addEventListener("pointermove", (event) => { if (event.buttons) move(event); });
  pair.addEventListener("dragstart", (event) => event.preventDefault());
  input.addEventListener("input", show);
  figure.classList.add("live");
  show();
}

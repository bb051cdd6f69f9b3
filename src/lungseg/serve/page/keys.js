/** The keyboard: what the table of the help says. */

const $ = (id) => document.getElementById(id);
const KEY = "lungseg keys";
const STEP = 40; // CSS pixels that an arrow moves the picture

/** Keys that the focused control has a use for itself. */
function isTaken(event) {
  const control = event.target;
  const written = "select, textarea, input:not([type=radio], [type=checkbox], [type=range], [type=file])";
  if (document.querySelector("dialog[open]") || control.matches(written)) return true;
  if (!/^(Arrow|Page|Home|End)/.test(event.key)) return false;
  const scrolls = document.documentElement.scrollHeight > innerHeight;
  return control.matches("input") || control.closest("#findings") !== null || (scrolls && !control.matches("#stage, .open"));
}

export function listenToKeys(viewer, jobs) {
  const letters = $("letters");
  letters.checked = localStorage.getItem(KEY) !== "off";
  letters.addEventListener("change", () => localStorage.setItem(KEY, letters.checked ? "on" : "off"));
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTaken(event)) return;
    // Who speaks to the computer, or has keys pressed by accident, can turn the keys off; the picture, once it has the focus, keeps them.
    if (!letters.checked && event.target !== $("stage")) return;
    const act = general(event, jobs) ?? (jobs.chosen ? onPicture(event, viewer, jobs.chosen.job) : undefined);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

function general(event, jobs) {
  return {
    o: () => $("files").click(),
    j: () => jobs.step(1),
    k: () => jobs.step(-1),
    "?": () => $("help").showModal(),
  }[event.key.toLowerCase()];
}

function onPicture(event, viewer, job) {
  const volume = job.shape[0] > 1;
  const arrows = { ArrowUp: [0, STEP], ArrowDown: [0, -STEP], ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0] };
  if (event.key in arrows && (event.shiftKey || !volume)) return () => viewer.pan(...arrows[event.key]);
  const slices = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10, Home: -Infinity, End: Infinity };
  if (event.key in slices) return volume ? () => viewer.goTo(viewer.slice + slices[event.key]) : undefined;
  const presets = $("presets").children;
  return {
    "+": () => viewer.zoom(1.25),
    "=": () => viewer.zoom(1.25),
    "-": () => viewer.zoom(0.8),
    0: () => viewer.fit(),
    f: () => pick("lungs", viewer.lungs === "fill" ? "outline" : "fill"),
    l: () => pick("lungs", viewer.lungs === "hidden" ? "fill" : "hidden"),
    w: () => pick("drag", viewer.dragging === "pan" ? "window" : "pan"),
    "[": () => slide("opacity", -5),
    "]": () => slide("opacity", 5),
    d: () => document.querySelector('#downloads [data-file="mask"]')?.click(),
    1: presets[0] && (() => presets[0].click()),
    2: presets[1] && (() => presets[1].click()),
    3: presets[2] && (() => presets[2].click()),
    4: presets[3] && (() => presets[3].click()),
  }[event.key.toLowerCase()];
}

/** Through the controls, so that they show it and whoever listens to them hears it. */
function pick(name, value) {
  document.querySelector(`input[name="${name}"][value="${value}"]`).click();
}

function slide(id, by) {
  $(id).value = Number($(id).value) + by;
  $(id).dispatchEvent(new Event("input"));
}

/** The controls around the picture, kept equal to what the picture shows. */

const $ = (id) => document.getElementById(id);

// Level and width in Hounsfield units, as radiologists set them for the chest.
const WINDOWS = { Lung: [-600, 1500], "Soft tissue": [50, 350], Bone: [400, 1800] };
const DEFAULT = "Default"; // what the server takes

export function connectTools(viewer, jobs, labels) {
  connectLungs(viewer, labels);
  connectZoom(viewer);
  connectSlices(viewer, jobs);
  connectWindow(viewer, jobs);
  const describe = () => {
    const { job, name } = jobs.chosen ?? {};
    if (!job) return $("stage").setAttribute("aria-label", "No picture yet");
    const where = job.shape[0] > 1 ? `, slice ${viewer.slice + 1} of ${job.shape[0]}` : "";
    const lungs = viewer.lungs === "hidden" ? "lungs not shown" : "lungs shown over it";
    $("stage").setAttribute("aria-label", `${name}${where}, ${lungs}`);
    for (const item of $("legend").children) {
      item.hidden = !job.measurements.some(({ structure }) => structure === item.dataset.structure);
    }
    const parts = [`${Math.round(viewer.zoomed * 100)} %`];
    if (job.hounsfield) parts.push(`level ${signed(middle(viewer))} HU`, `width ${across(viewer)} HU`);
    $("stage-numbers").textContent = parts.join(" · ");
  };
  for (const event of ["slice", "window", "zoom", "drawn", "lungs"]) viewer.addEventListener(event, describe);
  jobs.addEventListener("chosen", describe);
}

function connectLungs(viewer, labels) {
  const legend = labels.map(({ name, colour }) => {
    const item = document.createElement("li");
    const swatch = document.createElement("span");
    item.dataset.structure = name;
    swatch.style.backgroundColor = `rgb(${colour.join(" ")})`;
    item.append(swatch, name);
    return item;
  });
  $("legend").replaceChildren(...legend);
  for (const radio of document.getElementsByName("lungs")) {
    radio.addEventListener("change", () => {
      viewer.setLungs(radio.value);
      $("opacity").disabled = radio.value !== "fill";
      $("legend").hidden = radio.value === "hidden";
    });
  }
  $("opacity").addEventListener("input", () => {
    viewer.setOpacity($("opacity").value / 100);
    tell("opacity", `${$("opacity").value} %`);
  });
  for (const radio of document.getElementsByName("drag")) {
    radio.addEventListener("change", () => {
      viewer.dragging = radio.value;
      $("stage").dataset.drag = radio.value;
    });
  }
}

function connectZoom(viewer) {
  $("zoom-in").addEventListener("click", () => viewer.zoom(1.25));
  $("zoom-out").addEventListener("click", () => viewer.zoom(0.8));
  $("zoom-fit").addEventListener("click", () => viewer.fit());
}

function connectSlices(viewer, jobs) {
  const slider = $("slice");
  slider.addEventListener("input", () => viewer.goTo(Number(slider.value)));
  viewer.addEventListener("slice", () => {
    const { shape, lung_slices: lungs } = jobs.chosen.job;
    $("slices").hidden = shape[0] === 1;
    slider.max = shape[0] - 1;
    slider.value = viewer.slice;
    const inside = lungs && viewer.slice >= lungs[0] && viewer.slice <= lungs[1];
    $("slice-number").textContent = `${viewer.slice + 1} of ${shape[0]}`;
    slider.setAttribute("aria-valuetext", `${viewer.slice + 1} of ${shape[0]}, ${inside ? "with" : "without"} lung`);
    const band = $("lung-slices");
    band.hidden = !lungs;
    if (!lungs) return;
    const last = Math.max(shape[0] - 1, 1);
    band.style.left = `${(100 * lungs[0]) / last}%`;
    band.style.width = `${(100 * (lungs[1] - lungs[0])) / last}%`;
  });
}

function connectWindow(viewer, jobs) {
  const set = () => {
    const [level, width] = [Number($("level").value), Number($("width").value)];
    viewer.setWindow(level - width / 2, level + width / 2);
  };
  for (const id of ["level", "width"]) $(id).addEventListener("input", set);
  jobs.addEventListener("chosen", () => {
    const job = jobs.chosen?.job;
    if (!job) return;
    const [lowest, highest] = job.range;
    const step = Number.isInteger(lowest) && highest - lowest > 2 ? 1 : (highest - lowest) / 500;
    Object.assign($("level"), { min: lowest, max: highest, step });
    Object.assign($("width"), { min: step, max: highest - lowest, step });
    const windows = { ...(job.hounsfield ? WINDOWS : {}), [DEFAULT]: [(job.window[0] + job.window[1]) / 2, job.window[1] - job.window[0]] };
    $("presets").replaceChildren(...Object.entries(windows).map(([name, window]) => preset(viewer, name, window)));
    follow(viewer);
  });
  viewer.addEventListener("window", () => follow(viewer));
}

function preset(viewer, name, [level, width]) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = name;
  button.dataset.window = `${rounded(level)} ${rounded(width)}`;
  button.addEventListener("click", () => viewer.setWindow(level - width / 2, level + width / 2));
  return button;
}

function follow(viewer) {
  $("level").value = middle(viewer);
  $("width").value = across(viewer);
  for (const button of $("presets").children) {
    button.setAttribute("aria-pressed", String(button.dataset.window === `${middle(viewer)} ${across(viewer)}`));
  }
  tell("level", signed(middle(viewer)));
  tell("width", across(viewer));
}

function middle({ window }) {
  return rounded((window.low + window.high) / 2);
}

function across({ window }) {
  return rounded(window.high - window.low);
}

function rounded(value) {
  return Math.abs(value) >= 10 ? Math.round(value) : Number(value.toPrecision(3));
}

function signed(value) {
  return String(value).replace("-", "\u2212");
}

function tell(id, words) {
  document.querySelector(`output[for="${id}"]`).textContent = words;
  $(id).setAttribute("aria-valuetext", words);
}

"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const [TITLE, REPORT, THUMBNAIL, MODALITY, VERDICT, DICE, CONFIDENCE, SIZE, UNIT, ASYMMETRY, REASONS, INPUT] = Array(12).keys();
const table = document.querySelector(".cases"), body = table.tBodies[0], tools = document.querySelector(".tools");
const search = document.getElementById("search"), verdict = document.getElementById("verdict"), modality = document.getElementById("modality");
const reason = document.getElementById("reason"), counted = document.getElementById("shown");
const before = document.getElementById("before"), after = document.getElementById("after");
const PAGE = 100;
let order = null, upwards = true, first = 0;

function element(name, text, look) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (look) made.className = look;
  return made;
}

function number(value, digits) {
  return value === null ? "–" : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replaceAll(",", "\u00a0");
}

function row(entry) {
  const line = element("tr"), picture = element("td"), name = element("td");
  if (entry[THUMBNAIL]) {
    const image = element("img");
    image.loading = "lazy";
    image.width = 128;
    image.alt = "Lungs of " + entry[TITLE];
    image.src = "report_thumbnails/" + encodeURIComponent(entry[TITLE] + ".jpg");
    picture.append(image);
  }
  if (entry[REPORT]) {
    const link = element("a", entry[TITLE]);
    link.href = encodeURIComponent(entry[TITLE] + "_report.html");
    name.append(link);
  } else {
    name.textContent = entry[TITLE];
  }
  if (entry[INPUT]) name.append(element("br"), element("small", entry[INPUT]));
  const status = data.verdicts[entry[VERDICT]], unit = data.units[entry[UNIT]];
  line.append(picture, name, element("td", data.modalities[entry[MODALITY]]), element("td", status, status));
  line.append(element("td", entry[REASONS].map((which) => data.reasons[which]).join("; "), "words"));
  line.append(element("td", number(entry[DICE], 3), "n"), element("td", number(entry[CONFIDENCE], 3), "n"));
  line.append(element("td", entry[SIZE] === null ? "–" : number(entry[SIZE], 0) + " " + unit, "n"), element("td", number(entry[ASYMMETRY], 1), "n"));
  return line;
}

function chosen() {
  const words = search.value.toLowerCase(), wanted = data.rows.filter((entry) =>
    (verdict.value === "" || entry[VERDICT] === Number(verdict.value)) && (modality.value === "" || entry[MODALITY] === Number(modality.value)) &&
    (reason.value === "" || entry[REASONS].includes(Number(reason.value))) &&
    (words === "" || entry[TITLE].toLowerCase().includes(words) || (entry[INPUT] || "").toLowerCase().includes(words)));
  if (order === null) return wanted;
  const key = order, sign = upwards ? 1 : -1;
  return wanted.sort((a, b) => {
    const x = a[key], y = b[key];
    if (x === null || y === null) return (x === null) - (y === null);
    return sign * (typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y);
  });
}

function show() {
  const wanted = chosen();
  first = Math.max(0, Math.min(first, PAGE * Math.floor((wanted.length - 1) / PAGE)));
  body.replaceChildren(...wanted.slice(first, first + PAGE).map(row));
  counted.textContent = wanted.length === 0 ? "none" : (first + 1) + " to " + Math.min(first + PAGE, wanted.length) + " of " + wanted.length;
  before.disabled = first === 0;
  after.disabled = first + PAGE >= wanted.length;
}

for (const head of table.tHead.querySelectorAll("th[data-key]")) {
  const button = element("button", head.textContent);
  button.type = "button";
  button.addEventListener("click", () => {
    const key = Number(head.dataset.key);
    upwards = order === key ? !upwards : true;
    order = key;
    first = 0;
    for (const other of table.tHead.querySelectorAll("th")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", upwards ? "ascending" : "descending");
    show();
  });
  head.replaceChildren(button);
}
for (const [select, names] of [[verdict, data.verdicts], [modality, data.modalities], [reason, data.reasons]]) {
  names.forEach((name, which) => { const option = element("option", name); option.value = which; select.append(option); });
}
for (const input of [search, verdict, modality, reason]) input.addEventListener("input", () => { first = 0; show(); });
before.addEventListener("click", () => { first -= PAGE; show(); });
after.addEventListener("click", () => { first += PAGE; show(); });
tools.hidden = false;
show();

/** What was found on one image, in words and numbers, and the files of it. */

import { save } from "./server.js";

const EXPECTED = ["expected_dice", "expected_dice_low", "expected_dice_high"];
const FILES = { mask: "Mask", opacity: "Opacities", overlay: "Overlay", crop: "Crop", record: "Record", report: "Report", pdf: "Report as PDF" };

export class Findings {
  #root;
  #about;
  #onTrouble;

  /** @param about what the server says of itself: words for verdicts, and definitions of measurements */
  constructor(root, about, onTrouble) {
    this.#root = root;
    this.#about = about;
    this.#onTrouble = onTrouble;
  }

  show(job) {
    const $ = (id) => this.#root.querySelector(id);
    const dice = EXPECTED.map((name) => job.measurements.find((found) => found.name === name)?.value ?? null);
    const others = job.measurements.filter(({ name }) => !EXPECTED.includes(name));
    const rows = Map.groupBy(others, ({ name }) => name);
    const definitions = this.#about.definitions[job.modality];
    const columns = [...new Set(others.map(({ structure }) => structure))];
    $("#verdict").dataset.verdict = job.verdict;
    $("#verdict").replaceChildren(...this.#verdict(job, dice));
    $("#notes").replaceChildren(...job.notes.map((note) => made("li", note)));
    $("#measurements").replaceChildren(head(columns), body(rows, definitions, columns));
    $("#definitions").replaceChildren(...[...rows.keys()].flatMap((name) => defined(definitions[name])));
    $("#downloads").replaceChildren(...Object.keys(job.files).map((name) => this.#download(name, `jobs/${job.id}/files/${name}`)));
    const end = new Date(job.expires);
    const day = end.toDateString() === new Date().toDateString() ? {} : { day: "numeric", month: "long" };
    const until = end.toLocaleString([], { ...day, hour: "2-digit", minute: "2-digit" });
    $("#expires").textContent = `The server deletes this image and its results at ${until}, or when you remove it from the list.`;
  }

  #verdict({ verdict, reasons }, [dice, low, high]) {
    const [title, sentence] = this.#about.verdicts[verdict];
    const parts = [made("strong", title), made("p", sentence)];
    if (reasons.length) parts.push(made("ul"));
    parts[2]?.append(...reasons.map((reason) => made("li", reason)));
    if (dice !== null && verdict !== "refused") {
      const between = low !== null && high !== null ? `, probably between ${low.toFixed(2)} and ${high.toFixed(2)}` : "";
      parts.push(made("p", `Expected Dice ${dice.toFixed(2)}${between}.`));
    }
    return parts;
  }

  #download(name, address) {
    const item = made("li");
    const button = made("button", FILES[name] ?? name);
    button.type = "button";
    button.dataset.file = name;
    button.setAttribute("aria-label", `Download: ${button.textContent}`);
    button.addEventListener("click", () => save(address, name).catch(this.#onTrouble));
    item.append(button);
    return item;
  }
}

function head(columns) {
  const row = made("tr");
  row.append(made("td"), ...columns.map((structure) => scoped("col", structure || "chest")));
  const part = made("thead");
  part.append(row);
  return part;
}

function body(rows, definitions, columns) {
  const part = made("tbody");
  for (const [name, found] of rows) {
    const title = scoped("row", definitions[name]?.title ?? name);
    title.append(" ", made("span", inWords(found[0]), "unit"));
    const digits = digitsOf(found);
    const row = made("tr");
    row.append(title, ...columns.map((column) => made("td", shown(found.find(({ structure }) => structure === column), digits))));
    part.append(row);
  }
  return part;
}

function defined(definition) {
  return definition ? [made("dt", definition.title), made("dd", definition.text)] : [];
}

/** Decimals of a row: what its largest value deserves. */
function digitsOf(found) {
  if (found[0].unit === "1") return 3;
  const largest = Math.max(...found.map(({ value }) => Math.abs(value ?? 0)));
  return largest >= 100 ? 0 : largest >= 10 ? 1 : 2;
}

function shown(measurement, digits) {
  const value = measurement?.value ?? null;
  if (value === null) return measurement ? "\u2013" : "";
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay: "negative" }).replace("-", "\u2212");
}

function inWords({ unit, restriction }) {
  const words = unit === "1" ? "" : unit.replace("percent", "%").replace("mm2", "mm²");
  return restriction ? `${words}, ${restriction}` : words;
}

function made(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = className;
  return element;
}

function scoped(scope, text) {
  const cell = made("th", text);
  cell.scope = scope;
  return cell;
}

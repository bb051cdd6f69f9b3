/** The picture: one slice on a canvas with the lungs over it, its window, zoom and place. */

import { Pictures } from "./pictures.js";

const AHEAD = 4; // slices fetched before they are asked for, on either side
const SETTLED = 140; // ms without a change of the window, after which the server is asked for exact greys
const LINE = 2; // CSS pixels of the outline's width
const NOTCH = 40; // CSS pixels of the wheel for one slice: less than a notch of a mouse, and a little way on a touchpad
const DEEPEST = 40; // screen pixels for a pixel of the image, at most
const GROUND = "#000";

export class Viewer extends EventTarget {
  #canvas;
  #labels;
  #job = null;
  #pictures = null;
  #drawn = null; // {slice, grey, picture, borders} of what is to be seen
  #pointers = new Map();
  #timer = 0;
  #rolled = 0; // CSS pixels of the wheel since the last slice
  slice = 0;
  window = null; // {low, high} in Hounsfield or stored units
  lungs = "fill";
  opacity = 0.25;
  dragging = "pan";
  scale = 1; // CSS pixels for a pixel of the picture, along its finer side
  #x = 0; // CSS pixels from the canvas's corner to the image's
  #y = 0;
  #fitted = true;

  /** @param {HTMLCanvasElement} canvas  @param {{number: number, name: string, colour: number[]}[]} labels of the lungs */
  constructor(canvas, labels) {
    super();
    this.#canvas = canvas;
    this.#labels = labels;
    new ResizeObserver(() => this.#resized()).observe(canvas);
    this.#listen();
  }

  /** Shows a job that is done, or nothing. */
  show(job) {
    this.#job = job;
    this.#pictures = job && new Pictures(job);
    this.#drawn = null;
    this.#fitted = true;
    delete this.#canvas.dataset.slice;
    delete this.#canvas.dataset.window;
    this.window = job?.window ? { low: job.window[0], high: job.window[1] } : null;
    if (!job) return this.#draw();
    const [first, last] = job.lung_slices ?? [0, job.shape[0] - 1];
    return this.goTo(Math.floor((first + last) / 2));
  }

  /** Shows slice `n`, counted from 0, or the one nearest to it. */
  async goTo(n) {
    this.slice = Math.min(Math.max(Math.round(n), 0), this.#job.shape[0] - 1);
    this.#tell("slice");
    await this.#load();
  }

  /** Sees the picture through another window: at once from the greys that are here, exactly when it has settled. */
  setWindow(low, high) {
    this.window = { low, high: Math.max(high, low + 1e-6) };
    if (this.#drawn) this.#drawn.picture = this.#drawn.grey.through(this.window);
    this.#draw();
    this.#tell("window");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#load(), SETTLED);
  }

  setLungs(lungs) {
    this.lungs = lungs;
    this.#draw();
    this.#tell("lungs");
  }

  setOpacity(opacity) {
    this.opacity = Math.min(Math.max(opacity, 0), 1);
    this.#draw();
  }

  /** Zooms by a factor, keeping the point (x, y) of the canvas where it is; its middle where none is given. */
  zoom(factor, x = this.#canvas.clientWidth / 2, y = this.#canvas.clientHeight / 2) {
    if (!this.#drawn) return;
    const scale = Math.min(Math.max(this.scale * factor, this.#fit() / 2), DEEPEST);
    this.#x = x - ((x - this.#x) * scale) / this.scale;
    this.#y = y - ((y - this.#y) * scale) / this.scale;
    this.scale = scale;
    this.#fitted = false;
    this.#draw();
    this.#tell("zoom");
  }

  pan(dx, dy) {
    this.#x += dx;
    this.#y += dy;
    this.#fitted = false;
    this.#draw();
  }

  fit() {
    this.#fitted = true;
    this.#draw();
    this.#tell("zoom");
  }

  async #load() {
    const [pictures, slice, window] = [this.#pictures, this.slice, this.window];
    if (!pictures) return; // removed from the list meanwhile
    const numbers = this.#labels.map(({ number }) => number);
    pictures.forgetFarFrom(slice, AHEAD);
    try {
      const [grey, borders] = await Promise.all([pictures.grey(slice, window), pictures.borders(slice, numbers)]);
      if (pictures !== this.#pictures || slice !== this.slice || window !== this.window) return; // overtaken
      this.#drawn = { slice, grey, borders, picture: grey.through(window) };
      this.#draw();
      Object.assign(this.#canvas.dataset, { slice, window: `${window.low} ${window.high}` }); // what is to be seen, exactly
      this.#tell("drawn");
      for (let away = 1; away <= AHEAD; away++) {
        for (const n of [slice + away, slice - away]) {
          if (n < 0 || n >= this.#job.shape[0]) continue;
          pictures.grey(n, window).catch(() => {}); // it will be said when it is asked for
          pictures.borders(n, numbers).catch(() => {});
        }
      }
    } catch (error) {
      if (error.name !== "AbortError" && pictures === this.#pictures) this.dispatchEvent(new CustomEvent("trouble", { detail: error }));
    }
  }

  /** CSS pixels for a pixel of the file; what is shown of large files has been shrunk. */
  get zoomed() {
    return this.#drawn ? (this.scale * this.#drawn.grey.width) / this.#job.shape[2] : 1;
  }

  /** CSS pixels for a pixel of the picture along columns and along rows: it is shown in the proportions of the patient. */
  #stretch() {
    const [row, column] = this.#job.spacing?.slice(-2) ?? [1, 1];
    const finer = Math.min(row, column);
    return [column / finer, row / finer];
  }

  /** The scale at which the whole slice is just to be seen. */
  #fit() {
    const { grey } = this.#drawn;
    const [across, down] = this.#stretch();
    return Math.min(this.#canvas.clientWidth / (grey.width * across), this.#canvas.clientHeight / (grey.height * down));
  }

  #draw() {
    const canvas = this.#canvas;
    const context = canvas.getContext("2d", { alpha: false });
    context.resetTransform();
    context.globalAlpha = 1;
    context.fillStyle = GROUND;
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (!this.#drawn) return;
    const { grey, picture, borders } = this.#drawn;
    const [across, down] = this.#stretch();
    if (this.#fitted) {
      this.scale = this.#fit();
      this.#x = (canvas.clientWidth - grey.width * across * this.scale) / 2;
      this.#y = (canvas.clientHeight - grey.height * down * this.scale) / 2;
    }
    const dots = canvas.width / canvas.clientWidth;
    const place = new DOMMatrix([across * this.scale * dots, 0, 0, down * this.scale * dots, this.#x * dots, this.#y * dots]);
    context.imageSmoothingEnabled = this.scale < 4; // beyond that, pixels are what one wants to see
    context.imageSmoothingQuality = "high";
    context.setTransform(place);
    context.drawImage(picture, 0, 0);
    context.resetTransform();
    if (this.lungs !== "hidden") for (const label of this.#labels) this.#paint(context, label, borders.get(label.number), place, dots);
  }

  #paint(context, { colour }, border, place, dots) {
    const path = new Path2D();
    path.addPath(border, place); // so that the outline is equally wide where pixels are not square
    context.fillStyle = context.strokeStyle = `rgb(${colour.join(" ")})`;
    context.globalAlpha = this.opacity;
    if (this.lungs === "fill") context.fill(path, "evenodd");
    context.globalAlpha = 1;
    context.lineWidth = LINE * dots;
    context.lineJoin = "round";
    context.stroke(path);
  }

  #resized() {
    const dots = devicePixelRatio || 1;
    this.#canvas.width = Math.max(1, Math.round(this.#canvas.clientWidth * dots));
    this.#canvas.height = Math.max(1, Math.round(this.#canvas.clientHeight * dots));
    this.#draw();
    if (this.#drawn) this.#tell("zoom");
  }

  #listen() {
    const canvas = this.#canvas;
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.#pointers.set(event.pointerId, event);
    });
    canvas.addEventListener("pointermove", (event) => this.#moved(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => this.#pointers.delete(event.pointerId));
  }

  #wheel(event) {
    if (!this.#drawn) return;
    event.preventDefault();
    if (this.#job.shape[0] > 1 && !event.ctrlKey) {
      this.#rolled += event.deltaY;
      if (Math.abs(this.#rolled) < NOTCH) return;
      this.goTo(this.slice - Math.sign(this.#rolled));
      this.#rolled = 0;
    } else this.zoom(Math.exp(-Math.sign(event.deltaY) * Math.min(Math.abs(event.deltaY), 100) * 0.002), event.offsetX, event.offsetY);
  }

  #moved(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before || !this.#drawn) return;
    const [dx, dy] = [event.offsetX - before.offsetX, event.offsetY - before.offsetY];
    this.#pointers.set(event.pointerId, event);
    const other = [...this.#pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId);
    if (other) {
      const apart = (pointer) => Math.hypot(pointer.offsetX - other.offsetX, pointer.offsetY - other.offsetY);
      this.pan(dx / 2, dy / 2);
      this.zoom(apart(event) / Math.max(apart(before), 1), (event.offsetX + other.offsetX) / 2, (event.offsetY + other.offsetY) / 2);
    } else if (event.buttons === 2 || this.dragging === "window") {
      this.#dragWindow(dx, dy);
    } else {
      this.pan(dx, dy);
    }
  }

  /** A drag across the whole canvas goes through the whole range. */
  #dragWindow(dx, dy) {
    const { low, high } = this.window;
    const [lowest, highest] = this.#job.range;
    const step = (highest - lowest) / Math.max(this.#canvas.clientWidth, 1);
    const level = (low + high) / 2 - dy * step;
    const width = Math.max(high - low + dx * step, step);
    this.setWindow(level - width / 2, level + width / 2);
  }

  #tell(what) {
    this.dispatchEvent(new Event(what));
  }
}

/** The slices of one job as the server draws them, fetched once and kept while they are near what is shown. */

import { border } from "./outline.js";
import { request } from "./server.js";

const KEPT = 120; // greys and borders of slices, a megabyte each at most

/** Grey values 0 to 255 of one slice, seen through a window. */
class Grey {
  constructor({ width, height, values }, window) {
    this.width = width;
    this.height = height;
    this.values = values;
    this.window = window;
  }

  /** A canvas of it, as if it had been asked for through another window: exact only within the one it was asked for. */
  through(window) {
    const scale = (this.window.high - this.window.low) / (window.high - window.low);
    const shift = ((this.window.low - window.low) / (window.high - window.low)) * 255;
    const shades = Uint8ClampedArray.from({ length: 256 }, (_, value) => value * scale + shift);
    const canvas = new OffscreenCanvas(this.width, this.height);
    const picture = new ImageData(this.width, this.height);
    const pixels = new Uint32Array(picture.data.buffer);
    const words = Uint32Array.from(shades, (shade) => 0xff000000 | (shade << 16) | (shade << 8) | shade);
    for (let at = 0; at < pixels.length; at++) pixels[at] = words[this.values[at]];
    canvas.getContext("2d").putImageData(picture, 0, 0);
    return canvas;
  }
}

export class Pictures {
  #job;
  #kept = new Map(); // address -> {promise, slice, stop}, the longest unused first

  constructor(job) {
    this.#job = job;
  }

  /** A promise of the grey values of slice `n`, from 0. */
  grey(n, window) {
    return this.#keep(n, `slices/${n}?low=${window.low}&high=${window.high}`, async (blob) => new Grey(await decode(blob), window));
  }

  /** A promise of the borders of slice `n`, by label number. */
  borders(n, numbers) {
    return this.#keep(n, `labels/${n}`, async (blob) => {
      const { width, values } = await decode(blob);
      return new Map(numbers.map((number) => [number, border(values, width, number)]));
    });
  }

  /** Stops what is still on its way for slices further than `reach` from slice `n`. */
  forgetFarFrom(n, reach) {
    for (const { slice, stop } of this.#kept.values()) if (Math.abs(slice - n) > reach) stop.abort();
  }

  #keep(slice, address, read) {
    const had = this.#kept.get(address);
    this.#kept.delete(address);
    const stop = new AbortController();
    const entry = had ?? { slice, stop, promise: this.#fetch(address, stop.signal).then(read) };
    this.#kept.set(address, entry);
    // What failed or was stopped is asked for again the next time.
    if (!had) entry.promise.catch(() => this.#kept.get(address) === entry && this.#kept.delete(address));
    if (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value);
    return entry.promise;
  }

  async #fetch(address, signal) {
    return (await request(`jobs/${this.#job.id}/${address}`, { signal })).blob();
  }
}

async function decode(blob) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  const values = new Uint8Array(width * height);
  for (let at = 0; at < values.length; at++) values[at] = data[4 * at];
  return { width, height, values };
}

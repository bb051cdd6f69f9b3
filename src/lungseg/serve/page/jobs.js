/** The list of images: sent one after the other, followed until they are done, cancelled and removed. */

import { askAgain, json, Refusal, submit } from "./server.js";

const KEY = "lungseg jobs";
const SOON = 250; // ms until a job is looked at again; longer with every look, up to LATE
const LATE = 2000;
const AGAIN = 60_000; // ms until it is asked again whether a result has been deleted, at least
const LONGEST = 2 ** 31 - 1; // ms that a timer can wait

const PASSING = { 0: "the server does not answer", 429: "the server is busy", 503: "the server has too much to do", 507: "the server has no room" };
const MOST_PATIENCE = 60; // s until it is tried again, at most

const WAITING = "waiting to be sent";
const GONE = "no longer on the server: its time is over, or the server was started anew";

/** One line of the list. `state` is waiting, sending, or what the server says of a job; gone where the server has deleted it. */
class Entry {
  stop = new AbortController();
  job = null;

  constructor(name, state, item) {
    this.name = name;
    this.state = state;
    this.item = item;
  }

  get ended() {
    return ["done", "failed", "cancelled", "gone"].includes(this.state);
  }
}

export class Jobs extends EventTarget {
  #list;
  #template;
  #about;
  #entries = [];
  #sending = false;
  chosen = null;

  /** @param about what the server says of itself: its limits, and words for verdicts */
  constructor(list, template, about) {
    super();
    this.#list = list;
    this.#template = template;
    this.#about = about;
  }

  get empty() {
    return !this.#entries.length;
  }

  /** Of all in the list: how many there are, how many are over, and the ids of those with results. */
  get tally() {
    const done = this.#entries.filter(({ state, job }) => state === "done" && job);
    return { all: this.#entries.length, over: this.#entries.filter(({ ended }) => ended).length, done: done.map(({ job }) => job.id) };
  }

  /** Takes groups of files, as `intake.grouped` gives them, with the options chosen for them. */
  add(groups, { modality, skipQuality, spacing }) {
    askAgain();
    for (const { name, files } of groups) {
      const entry = this.#append(name, "waiting");
      entry.form = new FormData();
      entry.form.append("modality", modality);
      entry.form.append("skip_quality", String(skipQuality));
      entry.form.append("spacing", spacing);
      for (const file of files) entry.form.append("file", file, file.name);
      const bytes = files.reduce((sum, file) => sum + file.size, 0);
      const most = this.#about.limits.max_upload_bytes;
      if (bytes > most) this.#change(entry, "failed", `It has ${megabytes(bytes)}, and this server takes ${megabytes(most)} at most.`);
      else this.#change(entry, "waiting", WAITING);
    }
    this.#entries.at(-1)?.item.scrollIntoView({ block: "nearest" }); // and what runs meanwhile stays where it is
    this.#send();
  }

  /** Lists again what was listed before this page was loaded anew, as far as the server still has it. */
  async restore() {
    const entries = JSON.parse(sessionStorage.getItem(KEY) ?? "[]").map(({ id, name }) => {
      const entry = this.#append(name, "sending");
      entry.job = { id }; // so that all are remembered, whatever becomes of the first
      this.#change(entry, "sending", "looking for it");
      return entry;
    });
    for (const entry of entries) {
      try {
        this.#follow(entry, await json(`jobs/${entry.job.id}`, { signal: entry.stop.signal }));
      } catch (error) {
        if (error.name === "AbortError") continue;
        if (error.status === 404) this.#drop(entry);
        else this.#follow(entry, null); // the server may be back soon
      }
    }
  }

  /** Chooses the image `by` places further down the list that can be shown. */
  step(by) {
    const shown = this.#entries.filter(({ state }) => state === "done");
    const at = shown.indexOf(this.chosen);
    const next = shown[at < 0 ? 0 : at + by];
    if (next) this.choose(next);
  }

  choose(entry) {
    this.chosen?.item.querySelector(".open").removeAttribute("aria-current");
    this.chosen = entry;
    entry?.item.querySelector(".open").setAttribute("aria-current", "true");
    entry?.item.scrollIntoView({ block: "nearest" });
    this.dispatchEvent(new Event("chosen"));
  }

  #append(name, state) {
    const item = this.#template.content.cloneNode(true).firstElementChild;
    const entry = new Entry(name, state, item);
    item.querySelector(".name").textContent = name;
    item.querySelector(".open").addEventListener("click", () => this.choose(entry));
    item.querySelector(".end").addEventListener("click", () => (entry.ended ? this.#remove(entry) : this.#cancel(entry)));
    item.querySelector("progress").setAttribute("aria-label", `Progress of ${name}`);
    this.#entries.push(entry);
    this.#list.append(item);
    this.dispatchEvent(new Event("length"));
    return entry;
  }

  /** Sends what waits, one after the other, so that a folder of thousands is no burden for anybody. */
  async #send() {
    if (this.#sending) return;
    this.#sending = true;
    for (let entry; (entry = this.#entries.find(({ state }) => state === "waiting")); ) {
      try {
        this.#follow(entry, await this.#submit(entry));
      } catch (error) {
        if (error.name !== "AbortError") this.#change(entry, "failed", error.message);
      }
      entry.form = null; // refused for good, or sent: so that the browser can let go of the files
    }
    this.#sending = false;
  }

  async #submit(entry) {
    const onSent = (fraction) => this.#change(entry, "sending", fraction < 1 ? "sending" : "being received", fraction);
    for (let patience = 2; ; patience = Math.min(patience * 2, MOST_PATIENCE)) {
      try {
        onSent(0);
        return await submit(entry.form, { onSent, signal: entry.stop.signal });
      } catch (error) {
        if (!(error instanceof Refusal) || !(error.status in PASSING)) throw error;
        const wait = error.status === 429 ? error.retryAfter : Math.max(patience, error.retryAfter);
        for (let seconds = wait; seconds > 0; seconds--) {
          this.#change(entry, "sending", `${PASSING[error.status]}; trying again in ${seconds} s`, 0);
          await pause(1000, entry.stop.signal);
        }
      }
    }
  }

  async #follow(entry, job) {
    if (job) this.#update(entry, job);
    this.#remember();
    const { signal } = entry.stop;
    for (let wait = SOON; !entry.ended; wait = Math.min(wait * 1.2, LATE)) {
      try {
        await pause(wait, signal);
        this.#update(entry, await json(`jobs/${entry.job.id}`, { signal }));
      } catch (error) {
        if (error.name === "AbortError") return;
        if (error.status === 404) this.#change(entry, "gone", GONE);
        else this.#change(entry, entry.state, error.message, 0);
      }
    }
    if (entry.state === "done") this.#expire(entry);
  }

  #update(entry, job) {
    entry.job = job;
    const words = {
      queued: job.position > 1 ? `number ${job.position} in the queue` : "next in the queue",
      running: job.step || "at work",
      done: this.#about.verdicts[job.verdict]?.[0],
      failed: job.error,
      cancelled: "cancelled",
    }[job.state];
    this.#change(entry, job.state, words, job.progress);
  }

  #change(entry, state, words, progress = 0) {
    const news = state !== entry.state;
    entry.state = state;
    const { item } = entry;
    item.dataset.state = state;
    item.dataset.verdict = (state === "done" && entry.job.verdict) || "";
    item.querySelector(".words").textContent = words;
    item.querySelector(".open").disabled = state !== "done";
    const bar = item.querySelector("progress");
    bar.hidden = !["sending", "running"].includes(state);
    if (progress > 0) bar.value = progress;
    else bar.removeAttribute("value"); // how far is not known
    const end = item.querySelector(".end");
    end.textContent = entry.ended ? "\u2715" : "Cancel";
    end.setAttribute("aria-label", `${entry.ended ? "Remove" : "Cancel"} ${entry.name}`);
    if (news) this.dispatchEvent(new Event("tally"));
    if (news && entry.ended) this.dispatchEvent(new CustomEvent("ended", { detail: { entry, words } }));
  }

  #cancel(entry) {
    entry.stop.abort();
    this.#change(entry, "cancelled", "cancelled");
    this.#delete(entry);
  }

  #remove(entry) {
    const next = entry.item.nextElementSibling ?? entry.item.previousElementSibling;
    this.#drop(entry, next?.querySelector(".end"));
    this.#delete(entry);
    if (this.chosen === entry) this.choose(null);
  }

  /** Takes an entry out of the list; `next` has the focus then. */
  #drop(entry, next) {
    this.#entries = this.#entries.filter((other) => other !== entry);
    entry.stop.abort();
    entry.item.remove();
    this.dispatchEvent(new CustomEvent("length", { detail: next }));
  }

  #delete(entry) {
    this.#remember();
    if (entry.job) json(`jobs/${entry.job.id}`, { method: "DELETE" }).catch(() => {}); // what is gone already need not be deleted
    entry.job = null;
  }

  /** Waits until the server has deleted a result. It is asked, as its clock may be another than this one. */
  async #expire(entry) {
    const { id, expires } = entry.job;
    try {
      for (;;) {
        await pause(Math.min(Math.max(Date.parse(expires) - Date.now(), AGAIN), LONGEST), entry.stop.signal);
        await json(`jobs/${id}`);
      }
    } catch (error) {
      if (error.status !== 404 || entry.job === null) return;
      this.#change(entry, "gone", GONE);
      if (this.chosen === entry) this.choose(null);
    }
  }

  #remember() {
    const kept = this.#entries.filter(({ job }) => job).map(({ name, job }) => ({ id: job.id, name }));
    sessionStorage.setItem(KEY, JSON.stringify(kept));
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    const stop = () => {
      clearTimeout(timer);
      reject(new DOMException("cancelled", "AbortError"));
    };
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

export function megabytes(bytes) {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.ceil(bytes / 1e6)} MB`;
}

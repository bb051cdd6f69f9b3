/** Puts the parts of the page together: what comes in, the list, the picture, the findings, and the keys. */

import { Findings } from "./findings.js";
import { fromDrop, fromList, grouped } from "./intake.js";
import { Jobs, megabytes } from "./jobs.js";
import { json, onTokenWanted, save, takeToken } from "./server.js";
import { listenToKeys } from "./keys.js";
import { connectTools } from "./tools.js";
import { Viewer } from "./viewer.js";

const $ = (id) => document.getElementById(id);

const THEMES = { automatic: "dark", dark: "light", light: "automatic" }; // what follows what
const THEME = "lungseg colours";

function say(words) {
  $("news").textContent = words;
}

function setTheme(theme) {
  if (theme === "automatic") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  $("theme").querySelector("span").textContent = theme;
  localStorage.setItem(THEME, theme);
}

/** A promise of what a dialog was closed with; "none" where it was left with Escape. */
function answerOf(dialog) {
  dialog.returnValue = "none";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true }));
}

async function askForToken() {
  $("token-value").value = "";
  return (await answerOf($("token"))) === "given" ? $("token-value").value : null;
}

function askAboutSeries(count, folders) {
  const where = folders > 1 ? ` in ${folders} folders, each of which would be one series` : "";
  $("series-words").textContent = `${count} DICOM files came together${where}. Are they slices of one CT series, or images of their own?`;
  return answerOf($("series"));
}

function connectIntake(jobs) {
  const take = async (promise) => {
    $("intake-note").textContent = "";
    try {
      const found = await promise;
      if (!found.length) $("intake-note").textContent = "There is no file in this that could be an image.";
      const groups = await grouped(found, askAboutSeries);
      if (!groups.length) return;
      const options = { modality: $("modality").value, skipQuality: $("skip-quality").checked, spacing: $("spacing").value.trim() };
      if (jobs.empty) $("options").open = Object.values(options).some(Boolean); // the list needs the room; what was chosen stays in sight
      jobs.add(groups, options);
      say(groups.length === 1 ? `${groups[0].name} was added` : `${groups.length} images were added`);
    } catch (error) {
      $("intake-note").textContent = `This cannot be read: ${error.message}`;
    }
  };
  for (const [button, input] of [["pick-files", "files"], ["pick-folder", "folder"]]) {
    $(button).addEventListener("click", () => $(input).click());
    $(input).addEventListener("change", () => {
      take(fromList($(input).files));
      $(input).value = ""; // the same file may be chosen again
    });
  }
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("over");
  });
  addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("over");
    take(fromDrop(event.dataTransfer));
  });
  addEventListener("paste", (event) => event.clipboardData.files.length && take(fromList(event.clipboardData.files)));
}

/** How far the list is, and all of it as one file. */
function connectTally(jobs, trouble) {
  const show = () => {
    const { all, over, done } = jobs.tally;
    $("tally").hidden = all < 2;
    $("tally").querySelector("span").textContent = `${over} of ${all}`;
    $("download-all").disabled = !done.length;
    $("download-all").textContent = over < all && done.length ? `Download these ${done.length}` : "Download all";
  };
  for (const news of ["length", "tally"]) jobs.addEventListener(news, show);
  $("download-all").addEventListener("click", () =>
    save("bundle", "lungseg.zip", { method: "POST", content: { jobs: jobs.tally.done } }).catch(trouble),
  );
}

function connectJobs(jobs, viewer, findings) {
  jobs.addEventListener("length", ({ detail: next }) => {
    document.body.classList.toggle("empty", jobs.empty);
    (next ?? (jobs.empty ? $("pick-files") : null))?.focus();
  });
  jobs.addEventListener("ended", ({ detail: { entry, words } }) => {
    say(`${entry.name}: ${words}`);
    if (entry.state === "done" && !jobs.chosen) jobs.choose(entry);
  });
  jobs.addEventListener("chosen", () => {
    const job = jobs.chosen?.job ?? null;
    document.body.classList.toggle("shown", job !== null);
    $("stage-note").textContent = job ? "" : "Choose an image of the list.";
    viewer.show(job);
    if (job) findings.show(job);
  });
}

function showAbout({ version, limits }) {
  $("version").textContent = version;
  const [time, unit] = limits.retention_seconds < 90 ? [limits.retention_seconds, "second"] : [limits.retention_seconds / 60, "minute"];
  const after = `${Math.round(time)} ${unit}${Math.round(time) === 1 ? "" : "s"}`;
  $("kept").textContent = `Images and results are deleted ${after} after they are done. Up to ${megabytes(limits.max_upload_bytes)} at a time.`;
  const here = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  $("privacy").textContent = here ? "Nothing leaves this machine." : `Images go to ${location.host}, and from there nowhere else.`;
}

async function start() {
  takeToken();
  onTokenWanted(askForToken);
  setTheme(localStorage.getItem(THEME) ?? "automatic");
  $("theme").addEventListener("click", () => setTheme(THEMES[localStorage.getItem(THEME)]));
  $("help-open").addEventListener("click", () => $("help").showModal());
  const about = await json("about");
  showAbout(about);
  const viewer = new Viewer($("stage"), about.labels);
  const jobs = new Jobs($("jobs"), $("job"), about);
  const trouble = (error) => {
    $("stage-note").textContent = error.message;
    say(error.message);
  };
  connectTally(jobs, trouble);
  connectJobs(jobs, viewer, new Findings($("findings"), about, trouble));
  connectTools(viewer, jobs, about.labels); // after the line above, so that the picture is the chosen one's when the tools look at it
  viewer.addEventListener("trouble", ({ detail }) => trouble(detail));
  viewer.addEventListener("drawn", () => ($("stage-note").textContent = ""));
  connectIntake(jobs);
  listenToKeys(viewer, jobs);
  await jobs.restore();
  document.body.dataset.ready = ""; // for whoever drives this page by program
}

start().catch((error) => {
  $("stage-note").textContent = error.message;
  $("kept").textContent = error.message;
  say(error.message);
});

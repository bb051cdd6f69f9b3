/** All that is said to the server. The page knows its addresses nowhere else, and every address is relative to the page. */

const KEY = "lungseg token";

let askForToken = async () => null;
let asking = null; // the question that is open, so that several refused requests ask once
let declined = false; // whether it was answered with nothing; then it is not asked again before the user does something

/** An answer that is no success, in the server's words. `status` is 0 where there was no answer. */
export class Refusal extends Error {
  constructor(status, sentence, retryAfter) {
    super(sentence);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** Takes the token from behind the # of the page's address, which no browser sends, and out of it, so that no history and no link keeps it. */
export function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token === null) return;
  sessionStorage.setItem(KEY, token);
  history.replaceState(null, "", location.pathname);
}

/** `ask` gives a promise of a token, or of null where the user has none. */
export function onTokenWanted(ask) {
  askForToken = ask;
}

/** After something that the user did, who may have a token by now. */
export function askAgain() {
  declined = false;
}

/** The response of an address that is reached, with the token where there is one. Throws Refusal, or AbortError. */
export async function request(path, { method = "GET", signal, content } = {}) {
  for (;;) {
    const sent = sessionStorage.getItem(KEY);
    let response;
    try {
      const headers = { ...credentials(), ...(content && { "Content-Type": "application/json" }) };
      response = await fetch(path, { method, signal, headers, body: content && JSON.stringify(content) });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw unreachable();
    }
    if (response.ok) return response;
    const refusal = refusalOf(response.status, await response.text(), response.headers.get("Retry-After"));
    if (response.status !== 401 || !(await renewToken(sent))) throw refusal;
  }
}

export async function json(path, options) {
  return (await request(path, options)).json();
}

/** Sends a form and gives the job that it became. fetch does not tell how much of a body has been sent; XMLHttpRequest does. */
export async function submit(form, { onSent, signal }) {
  for (;;) {
    const sent = sessionStorage.getItem(KEY);
    const answer = await post("segment", form, onSent, signal);
    if (answer.status < 300) return JSON.parse(answer.responseText);
    const refusal = refusalOf(answer.status, answer.responseText, answer.getResponseHeader("Retry-After"));
    if (answer.status !== 401 || !(await renewToken(sent))) throw refusal;
  }
}

function post(path, form, onSent, signal) {
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    call.open("POST", path);
    for (const [name, value] of Object.entries(credentials())) call.setRequestHeader(name, value);
    call.upload.onprogress = (event) => onSent(event.lengthComputable ? event.loaded / event.total : 0);
    call.onload = () => resolve(call);
    call.onerror = () => reject(unreachable());
    call.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    signal.addEventListener("abort", () => call.abort(), { once: true });
    if (signal.aborted) call.onabort();
    else call.send(form);
  });
}

/** Fetched with the token, which a plain link could not send, and handed to the browser to keep. */
export async function save(path, name, options) {
  askAgain();
  const response = await request(path, options);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = fileName(response.headers.get("Content-Disposition")) ?? name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function fileName(disposition) {
  const encoded = /filename\*=utf-8''([^;]+)/i.exec(disposition ?? "");
  return encoded ? decodeURIComponent(encoded[1]) : /filename="([^"]+)"/.exec(disposition ?? "")?.[1];
}

function credentials() {
  const token = sessionStorage.getItem(KEY);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** Whether there is now another token than the one that was refused. */
async function renewToken(refused) {
  if (sessionStorage.getItem(KEY) !== refused) return true;
  if (declined) return false;
  asking ??= askForToken().finally(() => (asking = null));
  const token = await asking;
  if (token) sessionStorage.setItem(KEY, token);
  declined = !token;
  return !declined;
}

function unreachable() {
  return new Refusal(0, "The server does not answer. Is lungseg serve still running?", 2);
}

function refusalOf(status, body, retryAfter) {
  let sentence = `The server refused this (status ${status}).`;
  try {
    sentence = JSON.parse(body).detail ?? sentence;
  } catch {
    // No JSON: a proxy between here and the server spoke.
  }
  return new Refusal(status, sentence, Number(retryAfter) || 2);
}

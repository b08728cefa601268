// The page: form → request → ranking. Text from the user or the server is shown with textContent, never as HTML.

import { curl } from "./curl.js";
import { DIALECTS, sentence } from "./dialects.js";

const KEY = "rerank-api-key";
const LONG_TEXT = 500; // characters; a longer passage is collapsed to a few lines at first
const STAGES = ["tokenise", "queue", "inference", "total"];

const kept = { // if the browser blocks storage, only the key is lost on reload
  get() { try { return sessionStorage.getItem(KEY) ?? ""; } catch { return ""; } },
  set(key) { try { sessionStorage.setItem(KEY, key); } catch { /* storage is blocked */ } },
};
const at = (id) => document.getElementById(id);
let model; // the served model's name, once /info has answered
let sending; // the AbortController of the request in flight

function form() {
  const key = at("key").value.trim();
  const dialect = DIALECTS[at("dialect").value];
  const top = at("top").value === "" || dialect.answersAll ? undefined : Number(at("top").value);
  const passages = at("passages").value.split(/\n[^\S\n]*\n/).map((text) => text.trim()).filter(Boolean);
  return { key, dialect, passages, body: dialect.body({ query: at("query").value, passages, top, model }) };
}

const address = (path) => new URL(path, document.baseURI).href;
const authorization = (key) => (key ? { Authorization: `Bearer ${key}` } : {});

function showForm() {
  const { key, dialect, passages, body } = form();
  at("count").textContent = counted(passages.length, "passage");
  at("route").textContent = `POST /${dialect.path}`;
  at("top").disabled = Boolean(dialect.answersAll);
  at("top-hint").textContent = dialect.answersAll ? "This API returns all." : "Leave empty for all.";
  at("curl").textContent = curl(address(dialect.path), body, Boolean(key));
  at("curl-hint").hidden = !key;
}

async function send() {
  sending?.abort();
  const mine = (sending = new AbortController());
  const { key, dialect, passages, body } = form();
  at("outcome").setAttribute("aria-busy", "true");
  at("status").textContent = "Ranking …";
  const start = performance.now();
  try {
    const response = await fetch(address(dialect.path), {
      method: "POST",
      headers: { "Content-Type": "application/json", ...authorization(key) },
      body: JSON.stringify(body),
      signal: mine.signal,
    });
    const text = await response.text();
    show(dialect, passages, response, text, performance.now() - start);
    if (response.ok && !model) showServed();
  } catch (error) {
    if (mine.signal.aborted) return; // a newer request has taken over
    showError("No response", `${location.host} did not respond: ${error.message}`);
    at("raw").hidden = true;
  }
  at("outcome").setAttribute("aria-busy", "false");
  if (at("outcome").getBoundingClientRect().top > innerHeight - 120) at("outcome").scrollIntoView();
}

function show(dialect, passages, response, text, roundTrip) {
  const answer = parsed(text);
  at("raw").hidden = false;
  at("answer").textContent = answer === undefined ? text : JSON.stringify(answer, null, 2);
  const places = response.ok && answer !== undefined ? dialect.places(answer) : null;
  if (places === null) {
    showError(`${response.status} ${response.statusText}`.trim(), sentence(answer) ?? text);
    return;
  }
  at("error").hidden = true;
  at("status").textContent =
    (places.length < passages.length ? `Top ${places.length} of ` : "") +
    `${counted(passages.length, "passage")}, best first${dialect.logits ? ", by logit" : ""}.`;
  at("ranking").replaceChildren(...places.map((place, rank) => row(rank + 1, place, passages[place.index], dialect.logits)));
  at("ranking").hidden = false;
  showFigures(response.headers, answer, roundTrip);
}

function showError(title, message) {
  at("error").replaceChildren(element("strong", { text: title }), element("span", { text: message }));
  at("error").hidden = false;
  at("ranking").hidden = at("figures").hidden = true;
  at("status").textContent = "";
}

function row(rank, place, text, isLogit) {
  const bar = element("div", { class: "bar" });
  bar.style.setProperty("--share", isLogit ? 1 / (1 + Math.exp(-place.score)) : place.score);
  const score = element("data", { class: "score", text: shortened(place.score, isLogit) });
  score.value = score.title = String(place.score);
  const index = element("span", { class: "index", text: `index ${place.index}` });
  const measure = element("div", { class: "measure" }, bar, element("div", {}, score, index));
  const passage = element("p", { class: "text", text });
  const parts = text.length > LONG_TEXT ? [passage, unfolding(passage), measure] : [passage, measure];
  return element("li", {}, element("span", { class: "rank", text: rank }), element("div", {}, ...parts));
}

function unfolding(passage) {
  const button = element("button", { class: "quiet more" });
  button.type = "button";
  const fold = (folded) => {
    passage.classList.toggle("cut", folded);
    button.textContent = folded ? "Show all" : "Show less";
    button.setAttribute("aria-expanded", String(!folded));
  };
  button.addEventListener("click", () => fold(!passage.classList.contains("cut")));
  fold(true);
  return button;
}

function showFigures(headers, answer, roundTrip) {
  const timing = Object.fromEntries(
    [...(headers.get("Server-Timing") ?? "").matchAll(/([\w-]+);dur=([\d.]+)/g)].map(([, stage, ms]) => [stage, Number(ms)]),
  );
  const tokens = answer.usage?.total_tokens ?? headers.get("x-compute-tokens");
  const figures = STAGES.map((stage) => [stage, milliseconds(timing[stage])]);
  figures.push(["round trip", milliseconds(roundTrip)], ["tokens", tokens == null ? "–" : Number(tokens).toLocaleString("en")]);
  at("figures").replaceChildren(
    ...figures.map(([name, value]) => element("div", {}, element("dt", { text: name }), element("dd", { text: value }))),
  );
  at("figures").hidden = false;
}

async function showServed() {
  const { key } = form();
  try {
    const response = await fetch(address("info"), { headers: authorization(key) });
    const info = await response.json();
    model = response.ok ? info.served_model_name : undefined;
    at("served").textContent = response.ok
      ? [info.served_model_name, info.model_dtype, info.device, `${info.max_input_length.toLocaleString("en")} tokens`].join(" · ")
      : sentence(info);
  } catch {
    at("served").textContent = "The server does not respond.";
  }
  showForm();
}

async function copy() {
  const command = at("curl");
  try {
    await navigator.clipboard.writeText(command.textContent);
  } catch { // no clipboard API over plain HTTP outside localhost: select and copy
    getSelection().selectAllChildren(command);
    document.execCommand("copy");
  }
  at("copy").textContent = "Copied";
  setTimeout(() => (at("copy").textContent = "Copy"), 2000);
}

function element(tag, { text = "", class: classes = "" }, ...children) {
  const made = document.createElement(tag);
  made.className = classes;
  made.append(String(text), ...children);
  return made;
}

const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
const milliseconds = (ms) => (ms === undefined ? "–" : `${ms.toFixed(ms < 100 ? 1 : 0)} ms`);

function shortened(score, isLogit) {
  if (isLogit) return score.toFixed(3).replace("-", "−");
  return score === 0 || score >= 0.001 ? score.toFixed(4) : score.toPrecision(3);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

at("dialect").append(...DIALECTS.map(({ name }, index) => new Option(name, index)));
at("key").value = kept.get();
at("ask").addEventListener("input", showForm);
at("key").addEventListener("change", () => {
  kept.set(at("key").value);
  showServed();
});
at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    at("ask").requestSubmit();
  }
});
at("copy").addEventListener("click", copy);
showForm();
showServed();

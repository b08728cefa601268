"use strict";
// Shows one match at a time and sends the vote. Texts are inserted as text, never as markup.

const at = (id) => document.getElementById(id);
const counted = (count, one, many) => `${count} ${count === 1 ? one : many}`;
const KEYS = { a: "A", b: "B", t: "tie", s: "skip" };
let shown = null;
let busy = false;

async function request(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error(`The bench answered with status ${answer.status}.`);
  return answer.json();
}

function fill(list, texts) {
  list.replaceChildren(...texts.map((text) => {
    const item = document.createElement("li");
    item.textContent = text || "(empty)";
    return item;
  }));
}

function show(match) {
  shown = match;
  const done = match.number === null;
  at("match").hidden = done;
  at("progress").textContent = done
    ? `You have voted on all ${counted(match.matches, "match", "matches")}. Press Finish to compute the ratings.`
    : `Match ${match.number + 1} of ${match.matches}, ${match.voted} voted`;
  if (done) return at("finish").focus();
  at("query").textContent = match.query;
  fill(at("list-a"), match.A);
  fill(at("list-b"), match.B);
  for (const button of document.querySelectorAll("[data-vote]")) {
    button.setAttribute("aria-pressed", String(button.dataset.vote === match.vote));
  }
  at("back").disabled = match.number === 0;
  window.scrollTo(0, 0);
  at("query").focus({ preventScroll: true });
}

async function doing(work) {
  if (busy) return;
  busy = true;
  try {
    show(await work());
    at("error").hidden = true;
  } catch (error) {
    at("error").hidden = false;
    at("error").textContent = `${error.message} Is the bench still running?`;
  } finally {
    busy = false;
  }
}

const vote = (vote) => doing(() => request("vote", { number: shown.number, vote }));
const back = () => doing(() => request(`match?number=${shown.number - 1}`));

for (const button of document.querySelectorAll("[data-vote]")) {
  button.addEventListener("click", () => vote(button.dataset.vote));
}
at("back").addEventListener("click", back);
at("finish").addEventListener("click", async () => {
  try {
    await request("finish", {});
    document.querySelector("main").replaceChildren("Finished. The ratings are in the terminal; you can close this page.");
  } catch (error) {
    at("error").hidden = false;
    at("error").textContent = error.message;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || shown === null || shown.number === null) return;
  const key = event.key.toLowerCase();
  if (key in KEYS) vote(KEYS[key]);
  else if (key === "z" && shown.number > 0) back();
});
doing(() => request("match"));

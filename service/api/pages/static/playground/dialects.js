// What each dialect sends, and where its response holds the ranking. A dialect has
//   name, path     its label on the page and its URL relative to the page;
//   body           ({query, passages, top, model}) → the request's body; `top` and `model` may be undefined;
//   places         (answer) → [{index, score}], best first;
//   answersAll     true if the dialect has no field for the number of results;
//   logits         true if scores are logits rather than between 0 and 1.

export const DIALECTS = [
  {
    name: "Native",
    path: "v1/rerank",
    body: ({ query, passages, top }) => ({ query, documents: passages, top_n: top }),
    places: (answer) => scored(answer.results, "relevance_score"),
  },
  {
    name: "Cohere v2",
    path: "v2/rerank",
    body: ({ query, passages, top, model }) => ({ model, query, documents: passages, top_n: top }),
    places: (answer) => scored(answer.results, "relevance_score"),
  },
  {
    name: "Jina",
    path: "v1/rerank",
    body: ({ query, passages, top, model }) => ({
      model, query, documents: passages.map((text) => ({ text })), top_n: top, return_documents: true,
    }),
    places: (answer) => scored(answer.results, "relevance_score"),
  },
  {
    name: "TEI",
    path: "rerank",
    answersAll: true,
    body: ({ query, passages }) => ({ query, texts: passages }),
    places: (answer) => scored(answer, "score"),
  },
  {
    name: "Infinity",
    path: "infinity/rerank",
    body: ({ query, passages, top, model }) => ({ model, query, documents: passages, top_n: top, return_documents: true }),
    places: (answer) => scored(answer.results, "relevance_score"),
  },
  {
    name: "vLLM score",
    path: "v1/score",
    answersAll: true,
    body: ({ query, passages, model }) => ({ model, text_1: query, text_2: passages }),
    // scores come in the order of the passages; Array.sort is stable
    places: (answer) => scored(answer.data, "score").sort((one, other) => other.score - one.score),
  },
  {
    name: "Voyage",
    path: "voyage/v1/rerank",
    body: ({ query, passages, top, model }) => ({ model, query, documents: passages, top_k: top }),
    places: (answer) => scored(answer.data, "relevance_score"),
  },
  {
    name: "NVIDIA NIM",
    path: "v1/ranking",
    answersAll: true,
    logits: true,
    body: ({ query, passages, model }) => ({
      model, query: { text: query }, passages: passages.map((text) => ({ text })), truncate: "END",
    }),
    places: (answer) => scored(answer.rankings, "logit"),
  },
];

function scored(results, field) {
  return results.map((result) => ({ index: result.index, score: result[field] }));
}

// The message of an error body, wherever the dialect puts it: OpenAI's error.message, TEI's error, Cohere's message,
// Jina's and Voyage's detail.
export function sentence(answer) {
  const found = [answer?.error?.message, answer?.error, answer?.message, answer?.detail];
  return found.find((entry) => typeof entry === "string") ?? null;
}

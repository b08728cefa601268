// A request as a command that a POSIX shell reads back to the same bytes.

const ARGUMENT_BYTES = 100_000; // Linux takes 131,072 bytes an argument; what is longer goes through standard input

export function curl(url, body, withKey) {
  const json = JSON.stringify(body, null, 2);
  const lines = [`curl -sS ${quote(url)}`, `  -H ${quote("Content-Type: application/json")}`];
  if (withKey) lines.push('  -H "Authorization: Bearer $API_KEY"');
  if (new TextEncoder().encode(json).length < ARGUMENT_BYTES) return [...lines, `  --data-raw ${quote(json)}`].join(" \\\n");
  // no line of indented JSON is the bare word JSON, as a string's own line breaks are written \n
  return `${[...lines, "  --data-binary @-"].join(" \\\n")} <<'JSON'\n${json}\nJSON`;
}

// Nothing is special to the shell within single quotes but the single quote.
function quote(text) {
  return /^[\w./:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

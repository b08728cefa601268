// Formats a request as a curl command that sends the same bytes from a POSIX shell.

const ARGUMENT_BYTES = 100_000; // Linux allows 131,072 bytes per argument; longer bodies go through standard input

export function curl(url, body, withKey) {
  const json = JSON.stringify(body, null, 2);
  const lines = [`curl -sS ${quote(url)}`, `  -H ${quote("Content-Type: application/json")}`];
  if (withKey) lines.push('  -H "Authorization: Bearer $API_KEY"');
  if (new TextEncoder().encode(json).length < ARGUMENT_BYTES) return [...lines, `  --data-raw ${quote(json)}`].join(" \\\n");
  // no line of indented JSON can be just JSON, since line breaks in strings are escaped
  return `${[...lines, "  --data-binary @-"].join(" \\\n")} <<'JSON'\n${json}\nJSON`;
}

// Within single quotes, only the single quote is special to the shell.
function quote(text) {
  return /^[\w./:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

// How a program tells its test what it sees: lines of JSON, in both directions.

import { createInterface } from "node:readline/promises";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");

// Ask the person something, and wait for the answer.
export async function ask(kind, what) {
  say({ is: kind, ...what });
  return JSON.parse((await lines.next()).value);
}

// Run the flow that was asked for; `explain` says what the library's own error holds.
export async function perform(flows, explain) {
  const [flow, told] = [process.argv[2], JSON.parse(process.argv[3])];
  let last;
  try {
    last = { is: "done", found: await flows[flow](told) };
  } catch (problem) {
    last = { is: "failed", type: problem.constructor.name, text: String(problem), ...explain(problem) };
  }
  // Connections that are kept alive would keep the program alive, too.
  process.stdout.write(JSON.stringify(last) + "\n", () => process.exit(0));
}

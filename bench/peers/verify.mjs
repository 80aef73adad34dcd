// Verify one token again and again with npm's jose: started by bench/guard.py, with the packages of the peers.
// It says what verify.py says.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules] = process.argv.slice(2);
const { importJWK, jwtVerify } = await import(pathToFileURL(createRequire(modules + "/").resolve("jose")));
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const orders = JSON.parse((await lines.next()).value);
const key = await importJWK(orders.jwk, orders.algorithm);
const wanted = {
  issuer: orders.issuer,
  audience: orders.audience,
  algorithms: [orders.algorithm],
  requiredClaims: ["exp", "iat", "sub"],
};
await jwtVerify(orders.token, key, wanted);
console.log("ready");
for await (const line of lines) {
  const before = process.cpuUsage();
  for (let i = 0; i < Number(line); i++) await jwtVerify(orders.token, key, wanted);
  const { user, system } = process.cpuUsage(before);
  console.log((user + system) / 1e6 / Number(line));
}

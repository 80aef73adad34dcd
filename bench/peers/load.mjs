// Load for an HTTP server on this machine: keep-alive connections, each with one request under way.
// Takes its orders as JSON on stdin: ports (which the connections take in turns), path, seconds, bodies (one for each
// connection), renews (whether the next request carries the refresh token of the last answer). Prints JSON: count,
// failed, said (the first failure), seconds, p50_ms, p99_ms.
import net from 'node:net';
import { readFileSync } from 'node:fs';

const { ports, path, seconds, bodies, renews } = JSON.parse(readFileSync(0, 'utf8'));
const END = '\r\n\r\n';
const taken = [];
let failed = 0;
let said = '';

function request(body, port) {
  const head = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/x-www-form-urlencoded\r\n`;
  return Buffer.from(`${head}content-length: ${Buffer.byteLength(body)}${END}${body}`);
}

function run(body, port, until) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    let bytes = request(body, port);
    let started = 0;
    let held = '';
    const ask = () => {
      started = performance.now();
      socket.write(bytes);
    };
    socket.setNoDelay(true);
    socket.on('error', reject);
    socket.on('connect', ask);
    socket.on('data', (chunk) => {
      held += chunk.toString('latin1');
      const at = held.indexOf(END);
      if (at < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(held.slice(0, at))[1]);
      if (held.length < at + 4 + length) return;
      const now = performance.now();
      taken.push(now - started);
      const status = held.slice(9, 12);
      if (status[0] === '5' || (renews && status !== '200')) {
        failed += 1;
        said = said || held;
      }
      if (renews && status === '200') {
        const token = JSON.parse(held.slice(at + 4)).refresh_token;
        bytes = request(body.replace(/refresh_token=[^&]*$/, `refresh_token=${token}`), port);
      }
      held = '';
      if (now < until) ask();
      else socket.end(resolve);
    });
  });
}

const begin = performance.now();
await Promise.all(bodies.map((body, at) => run(body, ports[at % ports.length], begin + seconds * 1000)));
const whole = (performance.now() - begin) / 1000;
taken.sort((a, b) => a - b);
const rank = (share) => taken[Math.floor(taken.length * share)];
console.log(JSON.stringify({ count: taken.length, failed, said, seconds: whole, p50_ms: rank(0.5), p99_ms: rank(0.99) }));

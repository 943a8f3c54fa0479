// Other clients of npm, doing what redlock-bench asks: npm.mjs CLIENT VERB SECONDS CONCURRENCY URL...
// Says "ready", waits for a line, works, and prints one line of "key value" pairs.
// Runs beside the node_modules that `./dev bench --peers` installs.
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";

const require = createRequire(import.meta.url);
const Redis = require("ioredis").default ?? require("ioredis");
const TTL_MS = 30000;
const LIMIT_MS = 12000; // as for redlock's own waiters
const FOREVER = 100000;

const [which, verb, secondsText, concurrencyText, ...urls] = process.argv.slice(2);
const seconds = Number(secondsText);
const concurrency = Number(concurrencyText);
const now = () => Number(process.hrtime.bigint());

function connect(url) {
  const options = { retryStrategy: () => 100, maxRetriesPerRequest: 0 };
  const client = url.startsWith("unix://") ? new Redis({ path: url.slice(7), ...options })
    : new Redis({ host: "127.0.0.1", port: Number(url.split(":").pop()), ...options });
  client.on("error", () => {}); // what a lock makes of it is what is measured
  return client;
}

const clients = urls.map(connect);

// Each client as a function that takes a name and returns how to give it back.
const makers = {
  redlock5() {
    const Redlock = require("redlock").default;
    const locks = new Redlock(clients, { automaticExtensionThreshold: 100, ...(verb === "handoff" ? { retryCount: FOREVER } : {}) });
    locks.on("error", () => {});
    return async (name) => {
      const lock = await locks.acquire([name], TTL_MS);
      return () => lock.release();
    };
  },
  redlock4() {
    const Redlock = require("redlock-4");
    const locks = new Redlock(clients, verb === "handoff" ? { retryCount: FOREVER } : {});
    locks.on("clientError", () => {});
    return async (name) => {
      const lock = await locks.lock(name, TTL_MS);
      return () => lock.unlock();
    };
  },
  "redlock-universal"() {
    const { createLock, createRedlock, IoredisAdapter } = require("redlock-universal");
    const adapters = clients.map((client) => new IoredisAdapter(client));
    const retry = verb === "handoff" ? { retryAttempts: FOREVER } : {};
    const kept = new Map();
    const lockOf = (name) => adapters.length === 1
      ? createLock({ adapter: adapters[0], key: name, ttl: TTL_MS, ...retry })
      : createRedlock({ adapters, key: name, ttl: TTL_MS, ...retry });
    return async (name, number) => {
      const key = `${name} ${number}`;
      if (!kept.has(key)) kept.set(key, lockOf(name));
      const lock = kept.get(key);
      const handle = await lock.acquire();
      return () => lock.release(handle);
    };
  },
};

function part(sorted, at) {
  return sorted.length === 0 ? 0 : sorted[Math.floor((sorted.length - 1) * at)];
}

function latencies(prefix, values) {
  values.sort((a, b) => a - b);
  return { [`${prefix}p50_us`]: part(values, 0.5) / 1e3, [`${prefix}p99_us`]: part(values, 0.99) / 1e3,
    [`${prefix}max_us`]: part(values, 1) / 1e3 };
}

async function cycles(take, length) {
  const whole = [], acquires = [];
  const begin = now(), until = begin + length * 1e9;
  await Promise.all(Array.from({ length: concurrency }, async (_, number) => {
    const name = `bench-${String(number).padStart(6, "0")}`;
    while (now() < until) {
      const asked = now();
      const giveBack = await take(name, number);
      acquires.push(now() - asked);
      await giveBack();
      whole.push(now() - asked);
    }
  }));
  const took = (now() - begin) / 1e9;
  return { cycles: whole.length, cycles_per_s: whole.length / took, ...latencies("", whole), ...latencies("acquire_", acquires) };
}

async function handoff(take) {
  const turns = [];
  const begin = now();
  const waiters = Array.from({ length: concurrency }, async (_, number) => {
    const giveBack = await take("bench", number);
    const acquired = now();
    await sleep(1);
    const releasing = now();
    turns.push({ acquired, releasing });
    await giveBack();
  });
  await Promise.race([Promise.allSettled(waiters), sleep(LIMIT_MS)]);
  const total = (now() - begin) / 1e6;
  turns.sort((a, b) => a.acquired - b.acquired);
  const gaps = turns.slice(1).map((turn, i) => turn.acquired - turns[i].releasing);
  return { cycles: turns.length, served: turns.length, total_ms: total, ...latencies("handoff_", gaps) };
}

const take = makers[which]();
await Promise.race([Promise.allSettled(clients.map((client) => client.ping())), sleep(1000)]);
if (verb === "cycles") await cycles(take, 0.2);
process.stdout.write("ready\n");
await new Promise((resolve) => process.stdin.once("data", resolve));
const before = process.resourceUsage();
const told = verb === "handoff" ? await handoff(take) : await cycles(take, seconds);
const after = process.resourceUsage();
told.cpu_us = after.userCPUTime + after.systemCPUTime - before.userCPUTime - before.systemCPUTime;
told.voluntary = after.voluntaryContextSwitches - before.voluntaryContextSwitches;
told.involuntary = after.involuntaryContextSwitches - before.involuntaryContextSwitches;
process.stdout.write(`${Object.entries(told).map(([key, value]) => `${key} ${value}`).join(" ")}\n`,
  () => process.exit(0));

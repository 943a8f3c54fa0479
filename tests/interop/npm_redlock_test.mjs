// npm's redlock and the redlock command exclude each other over five servers, both ways.
// Runs beside the node_modules that `./dev test --interop` installs.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

const require = createRequire(import.meta.url);
const Redis = require("ioredis").default;
const Redlock = require("redlock").default;

const COMMAND = `${process.env.REDLOCK_BIN_DIR ?? "build/release/bin"}/redlock`;
const BUSY = 75;
const NODES = 5;

class Nodes {
  // Five private servers on unix sockets, declared ready, and npm's redlock over them.
  static async start() {
    const nodes = new Nodes();
    nodes.folder = mkdtempSync(`${process.env.TMPDIR ?? "/tmp"}/rl-npm.`);
    nodes.sockets = Array.from({ length: NODES }, (_, i) => `${nodes.folder}/${i}.sock`);
    nodes.servers = nodes.sockets.map((socket) =>
      spawn(process.env.REDLOCK_TEST_SERVER || "redis-server",
        ["--port", "0", "--unixsocket", socket, "--save", "", "--dir", nodes.folder,
          "--maxmemory-policy", "noeviction"], { stdio: "ignore" }));
    nodes.urls = nodes.sockets.flatMap((socket) => ["--url", `unix://${socket}`]);
    nodes.clients = nodes.sockets.map((path) => new Redis({ path, retryStrategy: () => 20 }));
    nodes.clients.forEach((client) => client.on("error", () => {})); // the retries say enough
    await Promise.all(nodes.clients.map((client) => client.ping()));
    const init = spawnSync(COMMAND, ["init", ...nodes.urls], { encoding: "utf8", timeout: 60000 });
    same(0, init.status, `redlock init (${init.stderr})`);
    // One try, and no extension on its own: each test says itself when something happens.
    nodes.redlock = new Redlock(nodes.clients, { retryCount: 0, automaticExtensionThreshold: 100 });
    nodes.redlock.on("error", () => {}); // "busy" is reported there too; the tests look at the result
    return nodes;
  }

  // The exit code of `redlock run NAME true`.
  async runOnce(name, ...options) {
    const child = spawn(COMMAND, ["run", ...this.urls, ...options, name, "--", "true"], { stdio: "ignore" });
    const [code] = await once(child, "exit");
    return code;
  }

  async acquires(name, ttl = 60000) {
    try {
      return await this.redlock.acquire([name], ttl);
    } catch {
      return null;
    }
  }

  async stop() {
    this.clients.forEach((client) => client.disconnect());
    await Promise.all(this.servers.map((server) => {
      if (server.exitCode !== null || server.signalCode !== null) return null;
      const gone = once(server, "exit");
      server.kill("SIGKILL");
      return gone;
    }));
    rmSync(this.folder, { recursive: true });
  }
}

class Holder {
  // A `redlock run` that holds NAME until it is told to stop.
  static async start(nodes, name, ...options) {
    const holder = new Holder();
    holder.process = spawn(COMMAND, ["run", ...nodes.urls, ...options, name, "--", "sh", "-c",
      "echo held; cat >/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
    holder.exit = once(holder.process, "exit");
    const said = await Promise.race([once(holder.process.stdout, "data"), holder.exit]);
    same("held\n", String(said[0]), "redlock run has the lock");
    return holder;
  }

  async end() {
    this.process.stdin.end();
    return (await this.exit)[0];
  }

  async crash() {
    this.process.kill("SIGKILL");
    await this.exit;
  }
}

function same(wanted, got, what) {
  if (wanted !== got) throw new Error(`${what}: wanted ${wanted}, got ${got}`);
}

const tests = {
  async "npm's redlock keeps the command out"(nodes) {
    const lock = await nodes.acquires("job");
    same(true, lock !== null, "npm's redlock acquires");
    same(BUSY, await nodes.runOnce("job", "-n"), "redlock run -n");
    same(0, await nodes.runOnce("another", "-n"), "another name");
    await lock.release();
    same(0, await nodes.runOnce("job", "-n"), "after its release");
  },

  async "the command keeps npm's redlock out"(nodes) {
    const holder = await Holder.start(nodes, "job");
    same(null, await nodes.acquires("job"), "npm's redlock acquires");
    same(0, await holder.end(), "redlock run ends");
    const lock = await nodes.acquires("job");
    same(true, lock !== null, "npm's redlock acquires after the release");
    await lock.release();
  },

  async "a ttl of npm's redlock frees the name"(nodes) {
    same(true, (await nodes.acquires("job", 4000)) !== null, "npm's redlock acquires");
    same(BUSY, await nodes.runOnce("job", "-n"), "at once");
    same(0, await nodes.runOnce("job", "-w", "60"), "with a wait beyond the ttl");
  },

  async "a ttl of the command frees the name"(nodes) {
    const holder = await Holder.start(nodes, "job", "-t", "3", "-w", "60");
    await holder.crash();
    same(null, await nodes.acquires("job"), "right after the crash");
    await sleep(4000); // ttl and margin, 3.75 s
    const lock = await nodes.acquires("job");
    same(true, lock !== null, "after the ttl");
    await lock.release();
  },

  async "the command waits until npm's redlock releases"(nodes) {
    const lock = await nodes.acquires("job", 60000);
    const waiter = nodes.runOnce("job", "-w", "60");
    await sleep(300);
    await lock.release();
    same(0, await waiter, "the command got it");
  },

  async "an extended lock of npm's redlock stays"(nodes) {
    const lock = await nodes.acquires("job", 3000);
    const extended = await lock.extend(60000);
    await sleep(3100);
    same(BUSY, await nodes.runOnce("job", "-n"), "after the first ttl");
    await extended.release();
  },

  async "with two servers dead they still exclude each other"(nodes) {
    for (const server of nodes.servers.slice(3)) {
      const gone = once(server, "exit");
      server.kill("SIGKILL");
      await gone;
    }
    // ioredis would queue commands for the dead ones until they come back: npm's redlock gets the three.
    nodes.clients.slice(3).forEach((client) => client.disconnect());
    const holder = await Holder.start(nodes, "job");
    same(null, await nodes.acquires("job"), "npm's redlock acquires");
    same(0, await holder.end(), "redlock run ends");
    const lock = await nodes.acquires("job");
    same(true, lock !== null, "npm's redlock acquires after the release");
    same(BUSY, await nodes.runOnce("job", "-n"), "redlock run -n");
    await lock.release().catch(() => {}); // two of five cannot confirm
  },
};

let failed = 0;
let number = 0;
console.log(`1..${Object.keys(tests).length}`);
for (const [name, test] of Object.entries(tests)) {
  let nodes = null;
  number += 1;
  try {
    nodes = await Nodes.start();
    await test(nodes);
    console.log(`ok ${number} - ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`not ok ${number} - ${name}\n# ${error.stack.replaceAll("\n", "\n# ")}`);
  } finally {
    await nodes?.stop();
  }
}
process.exit(failed === 0 ? 0 : 1);

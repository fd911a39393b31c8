// Writes src/api/generated/ from infra/openapi.json: the types of all operations, and what the client must know about
// some of them. Generated files are not committed, so that they cannot be out of date.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const source = new URL("../../../../infra/openapi.json", import.meta.url);
const folder = new URL("../src/api/generated/", import.meta.url);
const document = JSON.parse(await readFile(source, "utf8"));

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, ...operation })),
);
const named = (filter) =>
  JSON.stringify(
    operations.filter(filter).map(({ name }) => name),
    null,
    2,
  );

const facts = `// Written by scripts/generate.mjs.

/** The creates that accept an \`Idempotency-Key\`. */
export const KEYED: ReadonlySet<string> = new Set(${named((operation) =>
  operation.parameters?.some(({ in: place, name }) => place === "header" && name === "Idempotency-Key"),
)});

/** The operations that answer with the bytes of a file, which may be JSON or a page themselves. */
export const BYTES: ReadonlySet<string> = new Set(${named(
  ({ responses }) => "*/*" in (responses["200"]?.content ?? {}),
)});

/** The operations that take no access token. */
export const PUBLIC: ReadonlySet<string> = new Set(${named(({ security }) => security?.length === 0)});

/** The version of the API that these types describe. */
export const API_VERSION = ${JSON.stringify(document.info.version)};

/** Every type of event that the audit log of this version has. */
export const EVENT_TYPES = ${JSON.stringify(
  document.paths["/audit"].get.parameters.find(({ name }) => name === "type").schema.enum,
  null,
  2,
)} as const;
`;

await mkdir(folder, { recursive: true });
await writeFile(new URL("schema.ts", folder), astToString(await openapiTS(source)));
await writeFile(new URL("operations.ts", folder), facts);

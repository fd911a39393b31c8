// Registers a new account on a development server, and creates, renames and deletes a session:
//
//     node example.mjs http://localhost:8080

import { createClient, dataOf, hasCode, Login, versionOf } from "@coditect/client";

const baseUrl = process.argv[2] ?? "http://localhost:8080";
const login = new Login({ baseUrl, transport: "body" });
const api = createClient({ baseUrl, tokens: login });

const email = `example-${crypto.randomUUID()}@example.com`;
const { user, tenant } = await login.register({ email, password: `correct horse ${crypto.randomUUID()}` });
console.log(`registered ${user.email}, tenant ${tenant.id}`);

const created = await dataOf(api.POST("/sessions", { body: { name: "Example", workspacePath: "/workspace/example" } }));
console.log(`created ${created.name} (${created.id})`);

const params = { path: { id: created.id } };
const { etag } = await versionOf(api.GET("/sessions/{id}", { params }));
const renamed = await dataOf(
  api.PATCH("/sessions/{id}", { params: { ...params, header: { "If-Match": etag } }, body: { name: "Renamed" } }),
);
console.log(`renamed it to ${renamed.name}`);

try {
  await api.PATCH("/sessions/{id}", {
    params: { ...params, header: { "If-Match": etag } },
    body: { name: "Too late" },
  });
} catch (error) {
  if (!hasCode(error, "PRECONDITION_FAILED")) throw error;
  console.log(`the old version is rejected: ${error.message}`);
}

await login.renew(login.current.token);
console.log("renewed the access token");

await api.DELETE("/sessions/{id}", { params });
await login.logOut();
console.log("deleted the session and logged out");

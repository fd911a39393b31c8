// A client of the kind that people write: generated types, and one walk through a login and a session.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

declare const process: { env: Record<string, string | undefined> };

type SignedIn = components["schemas"]["SignedIn"];

function check(holds: unknown, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

let token: string | undefined;
const api = createClient<paths>({ baseUrl: process.env["CONTRACT_URL"] ?? "" });
api.use({
  onRequest({ request }) {
    if (token) request.headers.set("Authorization", `Bearer ${token}`);
  },
});

const account = { email: "typescript@example.com", password: "a walk in TypeScript" };
const registered = await api.POST("/auth/register", { body: account });
check(registered.data, "the account was not made");
let signedIn: SignedIn = registered.data.data;
token = signedIn.token;

const again = await api.POST("/auth/register", { body: { ...account, password: "short" } });
check(again.error?.code === "VALIDATION_FAILED", "a short password was taken");
// With its code a problem is known.
const taken: 422 = again.error.status;
check(taken === 422 && again.error.errors?.[0]?.pointer === "/password", "the bad member was not named");

const created = await api.POST("/sessions", { body: { name: "One", workspacePath: "/workspace/one" } });
check(created.data, "the session was not made");
const params = { path: { id: created.data.data.id } };

const got = await api.GET("/sessions/{id}", { params });
const version = got.response.headers.get("ETag");
check(got.data?.data.name === "One" && version, "the session was not there");

const listed = await api.GET("/sessions", { params: { query: { limit: 1 } } });
check(listed.data?.data.sessions[0]?.id === params.path.id && listed.data.data.nextCursor === null, "the list was another");

const guarded = { ...params, header: { "If-Match": version } };
const changed = await api.PATCH("/sessions/{id}", { params: guarded, body: { name: "Two" } });
check(changed.data?.data.name === "Two", "the session was not changed");
const late = await api.PATCH("/sessions/{id}", { params: guarded, body: { name: "Three" } });
check(late.error?.code === "PRECONDITION_FAILED", "an old version was changed");

const deleted = await api.DELETE("/sessions/{id}", { params });
check(deleted.data, "the session was not deleted");
const gone = await api.GET("/sessions/{id}", { params });
check(gone.error?.code === "NOT_FOUND", "the session was still there");

const refreshed = await api.POST("/auth/refresh", { body: { refreshToken: signedIn.refreshToken } });
check(refreshed.data, "there were no next tokens");
signedIn = refreshed.data.data;
token = signedIn.token;

const left = await api.POST("/auth/logout");
check(left.data, "the login was not ended");
const out = await api.GET("/sessions");
check(out.error?.code === "REVOKED_TOKEN", "the token was still good");
console.log("the TypeScript client: passed");

// A client as a user writes it: generated types, and one walk through a login and a session.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

declare const process: { env: Record<string, string | undefined> };

type SignedIn = components["schemas"]["SignedIn"];

function check(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(message);
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
check(registered.data, "registering failed");
let signedIn: SignedIn = registered.data.data;
token = signedIn.token;

const invalid = await api.POST("/auth/register", { body: { ...account, password: "short" } });
check(invalid.error?.code === "VALIDATION_FAILED", "a short password was accepted");
// The code determines the type of the problem.
const status: 422 = invalid.error.status;
check(status === 422 && invalid.error.errors?.[0]?.pointer === "/password", "the problem does not name the password");

const created = await api.POST("/sessions", { body: { name: "One", workspacePath: "/workspace/one" } });
check(created.data, "creating the session failed");
const params = { path: { id: created.data.data.id } };

const got = await api.GET("/sessions/{id}", { params });
const version = got.response.headers.get("ETag");
check(got.data?.data.name === "One" && version, "the session was not found");

const listed = await api.GET("/sessions", { params: { query: { limit: 1 } } });
const page = listed.data?.data;
check(page?.sessions[0]?.id === params.path.id && page.nextCursor === null, "the list does not have the session");

const guarded = { ...params, header: { "If-Match": version } };
const changed = await api.PATCH("/sessions/{id}", { params: guarded, body: { name: "Two" } });
check(changed.data?.data.name === "Two", "changing the session failed");
const late = await api.PATCH("/sessions/{id}", { params: guarded, body: { name: "Three" } });
check(late.error?.code === "PRECONDITION_FAILED", "a change of an old version was accepted");

const deleted = await api.DELETE("/sessions/{id}", { params });
check(deleted.data, "deleting the session failed");
const gone = await api.GET("/sessions/{id}", { params });
check(gone.error?.code === "NOT_FOUND", "the deleted session was found");

// Absent only for a page that keeps its tokens in cookies.
check(signedIn.refreshToken, "the response has no refresh token");
const refreshed = await api.POST("/auth/refresh", { body: { refreshToken: signedIn.refreshToken } });
check(refreshed.data, "refreshing failed");
signedIn = refreshed.data.data;
token = signedIn.token;

const loggedOut = await api.POST("/auth/logout");
check(loggedOut.data, "logging out failed");
const rejected = await api.GET("/sessions");
check(rejected.error?.code === "REVOKED_TOKEN", "a revoked token was accepted");
console.log("the TypeScript client: passed");

import { expect, test } from "vitest";

import {
  ApiProblem,
  createClient,
  dataOf,
  fixedToken,
  type TokenSource,
  UnexpectedResponse,
  Unreachable,
  UserChanged,
} from "../../src/api/index.ts";
import { network, problem, success } from "./fakes.ts";

const body = { name: "One", workspacePath: "/one" };
const waits: number[] = [];
const sleep = async (seconds: number) => void waits.push(seconds);

function clientOf(fetch: (request: Request) => Promise<Response>, tokens: TokenSource = fixedToken("t"), extra = {}) {
  waits.length = 0;
  return createClient({ baseUrl: "https://api.example.com/", fetch, tokens, sleep, ...extra });
}

test("a create keeps its key across retries", async () => {
  const { fetch, calls } = network((_, index) =>
    index === 0
      ? new TypeError("lost")
      : index === 1
        ? problem(503, "STORE_UNAVAILABLE")
        : success(body, { status: 201 }),
  );
  await clientOf(fetch).POST("/sessions", { body });
  const keys = calls.map(({ headers }) => headers.get("Idempotency-Key"));
  expect(keys).toHaveLength(3);
  expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
  expect(new Set(keys).size).toBe(1);
  expect(calls[2]?.body).toBe(JSON.stringify(body));
});

test("two creates have different keys, and a form may bring its own", async () => {
  const { fetch, calls } = network(() => success(body, { status: 201 }));
  const client = clientOf(fetch);
  await client.POST("/sessions", { body });
  await client.POST("/sessions", { body });
  await client.POST("/sessions", { body, params: { header: { "Idempotency-Key": "mine" } } });
  const keys = calls.map(({ headers }) => headers.get("Idempotency-Key"));
  expect(keys[0]).not.toBe(keys[1]);
  expect(keys[2]).toBe("mine");
});

test("a change without an outcome is not repeated, because its own version would have changed", async () => {
  const { fetch, calls } = network(() => new TypeError("lost"));
  const change = clientOf(fetch).PATCH("/sessions/{id}", {
    params: { path: { id: "1" }, header: { "If-Match": '"1"' } },
    body: { name: "Two" },
  });
  await expect(change).rejects.toBeInstanceOf(Unreachable);
  expect(calls).toHaveLength(1);
});

test("a change that the server did not look at is repeated", async () => {
  const { fetch, calls } = network((_, index) =>
    index === 0 ? problem(503, "TOO_MANY_CONNECTIONS", {}, { "Retry-After": "1" }) : success(body),
  );
  await clientOf(fetch).PATCH("/sessions/{id}", { params: { path: { id: "1" } }, body: { name: "Two" } });
  expect(calls).toHaveLength(2);
  expect(waits).toEqual([1]);
});

test("a read waits as long as Retry-After says, but not longer than ten seconds", async () => {
  const short = network((_, index) =>
    index === 0 ? problem(429, "TOO_MANY_ATTEMPTS", {}, { "Retry-After": "4" }) : success({}),
  );
  await clientOf(short.fetch).GET("/users/me");
  expect(waits).toEqual([4]);

  const long = network(() => problem(429, "TOO_MANY_ATTEMPTS", {}, { "Retry-After": "60" }));
  const error = await clientOf(long.fetch)
    .GET("/users/me")
    .catch((error: unknown) => error);
  expect(error).toBeInstanceOf(ApiProblem);
  expect((error as ApiProblem).retryAfter).toBe(60);
  expect(long.calls).toHaveLength(1);
});

test("retries end", async () => {
  const { fetch, calls } = network(() => new TypeError("lost"));
  await expect(clientOf(fetch).GET("/users/me")).rejects.toBeInstanceOf(Unreachable);
  expect(calls).toHaveLength(4);
});

test("a password is sent once", async () => {
  const { fetch, calls } = network(() => problem(429, "TOO_MANY_ATTEMPTS", {}, { "Retry-After": "1" }));
  await expect(clientOf(fetch).POST("/auth/reauthenticate", { body: { password: "x" } })).rejects.toThrow();
  expect(calls).toHaveLength(1);
});

test("a problem keeps its fields and quota", async () => {
  const errors = [{ pointer: "/name", message: "is required" }];
  const quota = { name: "sessions", used: 10, limit: 10 };
  const { fetch } = network(() => problem(507, "QUOTA_EXCEEDED", { errors, quota }));
  const error = (await clientOf(fetch)
    .POST("/sessions", { body })
    .catch((error: unknown) => error)) as ApiProblem;
  expect(error).toMatchObject({ code: "QUOTA_EXCEEDED", status: 507, errors, quota, requestId: "r" });
});

test.each([
  ["a page of a proxy", () => new Response("<h1>Hello</h1>", { headers: { "Content-Type": "text/html" } })],
  ["a body that is not JSON", () => new Response("{", { headers: { "Content-Type": "application/json" } })],
  ["JSON without the envelope", () => Response.json({ sessions: [] })],
  ["a failure that is not a problem", () => new Response("Bad gateway", { status: 502 })],
  ["an empty failure", () => new Response(null, { status: 404 })],
])("%s is an unexpected response", async (_, answer) => {
  const { fetch } = network(answer);
  await expect(dataOf(clientOf(fetch).GET("/sessions"))).rejects.toBeInstanceOf(UnexpectedResponse);
});

test("an expired token is renewed once and the request is sent again", async () => {
  const { fetch, calls } = network(({ headers }) =>
    headers.get("Authorization") === "Bearer new" ? success({}) : problem(401, "EXPIRED_TOKEN"),
  );
  const renewals: (string | null)[] = [];
  const tokens = {
    token: async () => "old",
    renew: async (rejected: string | null) => (renewals.push(rejected), "new"),
  };
  await clientOf(fetch, tokens).GET("/users/me");
  expect(renewals).toEqual(["old"]);
  expect(calls.map(({ headers }) => headers.get("Authorization"))).toEqual(["Bearer old", "Bearer new"]);
});

test("a wrong password does not renew the token", async () => {
  const { fetch } = network(() => problem(401, "INVALID_CREDENTIALS"));
  const tokens = { token: async () => "t", renew: () => Promise.reject(new Error("renewed")) };
  const attempt = clientOf(fetch, tokens).POST("/auth/reauthenticate", { body: { password: "x" } });
  await expect(attempt).rejects.toMatchObject({ code: "INVALID_CREDENTIALS" });
});

test("a request continues after the user has signed in again", async () => {
  let token = "revoked";
  const { fetch, calls } = network(({ headers }) =>
    headers.get("Authorization") === "Bearer fresh" ? success(body, { status: 201 }) : problem(401, "REVOKED_TOKEN"),
  );
  const tokens = { token: async () => token, renew: async () => null };
  const onSignInRequired = async () => ((token = "fresh"), true);
  await clientOf(fetch, tokens, { onSignInRequired }).POST("/sessions", { body });
  expect(calls).toHaveLength(2);
  expect(calls[1]?.body).toBe(JSON.stringify(body));
  expect(calls[0]?.headers.get("Idempotency-Key")).toBe(calls[1]?.headers.get("Idempotency-Key"));
});

test("a request continues after the user has entered the password", async () => {
  let proved = false;
  const { fetch, calls } = network(() => (proved ? success({ ended: 2 }) : problem(403, "REAUTHENTICATION_REQUIRED")));
  const onReauthenticationRequired = async () => (proved = true);
  await clientOf(fetch, fixedToken("t"), { onReauthenticationRequired }).POST("/auth/logout-all");
  expect(calls).toHaveLength(2);
});

test("the tenant of the page is sent with every request that has a token", async () => {
  const { fetch, calls } = network(() => success({}));
  const client = clientOf(fetch, fixedToken("t"), { tenant: () => "tenant-2" });
  await client.GET("/users/me");
  await client.GET("/version");
  expect(calls.map(({ headers }) => headers.get("Coditect-Tenant"))).toEqual(["tenant-2", null]);
});

test("an unexpected success names the address that it came from", async () => {
  const { fetch } = network(() => Response.json({ sessions: [] }));
  const error = await dataOf(clientOf(fetch).GET("/sessions")).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(UnexpectedResponse);
  expect((error as UnexpectedResponse).address).toBe("https://api.example.com/v5/sessions");
});

/** Tokens like "ada:1", whose first part is their user. */
const ownedTokens = (first: string, next: string) => {
  let token = first;
  return {
    token: async () => token,
    renew: async () => next,
    owner: (given = token) => given.split(":")[0],
    change: () => void (token = next),
  };
};

test.each([
  ["the token is renewed", problem(401, "EXPIRED_TOKEN"), false],
  ["the user signs in again", problem(401, "REVOKED_TOKEN"), true],
  ["the password is entered", problem(403, "REAUTHENTICATION_REQUIRED"), true],
])("a request does not continue as another user when %s", async (_, answer, asks) => {
  const { fetch, calls } = network(() => answer.clone());
  const tokens = ownedTokens("ada:1", "grace:1");
  const ask = async () => (tokens.change(), true);
  const source = asks ? { ...tokens, renew: async () => null } : tokens;
  const extra = { onSignInRequired: ask, onReauthenticationRequired: ask };
  await expect(clientOf(fetch, source, extra).POST("/auth/logout-all")).rejects.toBeInstanceOf(UserChanged);
  expect(calls).toHaveLength(1);
});

test("a request that waits for its first token is sent only for the user who made it", async () => {
  const { fetch, calls } = network(() => success({}));
  const tokens = ownedTokens("ada:1", "grace:1");
  const request = clientOf(fetch, { ...tokens, token: async () => (tokens.change(), "grace:1") }).GET("/users/me");
  await expect(request).rejects.toBeInstanceOf(UserChanged);
  expect(calls).toHaveLength(0);
});

test("a request continues with another token of the same user", async () => {
  const { fetch, calls } = network(({ headers }) =>
    headers.get("Authorization") === "Bearer ada:2" ? success({}) : problem(401, "EXPIRED_TOKEN"),
  );
  await clientOf(fetch, ownedTokens("ada:1", "ada:2")).GET("/users/me");
  expect(calls).toHaveLength(2);
});

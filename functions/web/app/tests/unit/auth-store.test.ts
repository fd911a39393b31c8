import { expect, test } from "vitest";

import { type Backend, createAuth, DEMO, LOGIN_KEY } from "../../src/stores/auth-store.ts";
import { configLoader } from "../../src/stores/config.ts";
import { safeStorage } from "../../src/stores/storage.ts";
import { dataOf } from "../../src/api/index.ts";
import { memoryStorage, network, problem, signedIn, success } from "./fakes.ts";

const credentials = { email: "a@example.com", password: "correct horse" };

function authOf(fetch: Backend["fetch"], extra: Partial<Backend> = {}) {
  const local = memoryStorage();
  const tab = memoryStorage();
  const auth = createAuth({ fetch, baseUrl: async () => "https://api.example.com", local, tab, patience: 1, ...extra });
  return { ...auth, local, tab, state: () => auth.store.getState() };
}

test("login and register use the documented endpoints, with cookies", async () => {
  const { fetch, calls } = network(() => success(signedIn("t")));
  const { state, local } = authOf(fetch);
  await state().login(credentials);
  await state().register({ ...credentials, firstName: "Ada" }, "key-1");
  expect(calls.map(({ path }) => path)).toEqual(["/v5/auth/login", "/v5/auth/register"]);
  expect(calls.map(({ body }) => JSON.parse(body).transport)).toEqual(["cookie", "cookie"]);
  expect(calls[0]?.credentials).toBe("include");
  expect(calls[1]?.headers.get("Idempotency-Key")).toBe("key-1");
  expect(state()).toMatchObject({ phase: "signedIn", demo: false, user: { email: "a@example.com" } });
  expect(local.get(LOGIN_KEY)).toBe("user-1");
});

test("the demo account is recognised before any request", async () => {
  const { fetch, calls } = network(() => new TypeError("no backend"));
  const { state, api, tab } = authOf(fetch);
  await state().login({ email: ` ${DEMO.email.toUpperCase()} `, password: DEMO.password });
  const { sessions } = await dataOf(api.GET("/sessions"));
  expect(sessions.length).toBeGreaterThan(3);
  expect(state()).toMatchObject({ phase: "signedIn", demo: true });
  await state().logout();
  expect(state()).toMatchObject({ phase: "signedOut", demo: false });
  expect(tab.get("coditect.demo")).toBeNull();
  expect(calls).toHaveLength(0);
});

test("another password with the demo's email goes to the API", async () => {
  const { fetch, calls } = network(() => problem(401, "INVALID_CREDENTIALS"));
  await expect(authOf(fetch).state().login({ email: DEMO.email, password: "Demo" })).rejects.toThrow();
  expect(calls).toHaveLength(1);
});

test("a reload restores the login with its cookie", async () => {
  const { fetch, calls } = network(() => success(signedIn("t")));
  const { state } = authOf(fetch, { local: memoryStorage({ [LOGIN_KEY]: "user-1" }) });
  await state().start();
  expect(calls.map(({ path }) => path)).toEqual(["/v5/auth/refresh"]);
  expect(state().phase).toBe("signedIn");
});

test("a first visit sends no request", async () => {
  const { fetch, calls } = network(() => new TypeError("no backend"));
  const { state } = authOf(fetch);
  await state().start();
  expect(state().phase).toBe("signedOut");
  expect(calls).toHaveLength(0);
});

test("with blocked storage, a reload tries the cookie", async () => {
  const { fetch, calls } = network(() => problem(401, "INVALID_REFRESH_TOKEN"));
  const { state } = authOf(fetch, { local: memoryStorage({}, false) });
  await state().start();
  expect(calls).toHaveLength(1);
  expect(state().phase).toBe("signedOut");
});

test("an API that does not respond is an error to retry, not a logout", async () => {
  let up = false;
  const { fetch } = network(() =>
    up ? success(signedIn("t")) : problem(503, "STORE_UNAVAILABLE", {}, { "Retry-After": "99" }),
  );
  const { state } = authOf(fetch, { local: memoryStorage({ [LOGIN_KEY]: "user-1" }) });
  await state().start();
  expect(state()).toMatchObject({ phase: "starting", startError: { code: "STORE_UNAVAILABLE" } });
  up = true;
  await state().start();
  expect(state()).toMatchObject({ phase: "signedIn", startError: null });
});

/** An API that accepts only the tokens in `valid`. */
function revocable(valid: Set<string>, next: () => ReturnType<typeof signedIn>) {
  return network(({ path, headers }) => {
    if (path.endsWith("/auth/login")) {
      const login = next();
      valid.add(login.token);
      return success(login);
    }
    if (path.endsWith("/auth/refresh")) return problem(401, "INVALID_REFRESH_TOKEN");
    return valid.has(headers.get("Authorization")?.slice(7) ?? "")
      ? success({ quotas: [] })
      : problem(401, "REVOKED_TOKEN");
  });
}

const until = async (condition: () => boolean) => {
  for (let i = 0; i < 200 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 1));
};

test("after a revoked login, the waiting request continues once the user signs in again", async () => {
  const valid = new Set<string>();
  let n = 0;
  const { fetch } = revocable(valid, () => signedIn(`t${++n}`));
  const { state, api } = authOf(fetch);
  await state().login(credentials);
  valid.clear();
  const usage = dataOf(api.GET("/users/me/usage"));
  await until(() => state().interrupted);
  expect(state()).toMatchObject({ phase: "signedIn", interrupted: true });
  await state().login(credentials);
  expect(await usage).toEqual({ quotas: [] });
  expect(state().interrupted).toBe(false);
});

test("a request does not continue as another user", async () => {
  const valid = new Set<string>();
  let n = 0;
  const { fetch, calls } = revocable(valid, () => {
    n += 1;
    const login = signedIn(`t${n}`);
    return { ...login, user: { ...login.user, id: `user-${n}` } };
  });
  const { state, api } = authOf(fetch);
  await state().login(credentials);
  valid.clear();
  const usage = dataOf(api.GET("/users/me/usage"));
  await until(() => state().interrupted);
  await state().login(credentials);
  await expect(usage).rejects.toThrow("Sign in again");
  expect(calls.filter(({ path }) => path.endsWith("/usage"))).toHaveLength(1);
});

test("giving up ends the waiting requests and signs out", async () => {
  const valid = new Set<string>();
  const { fetch } = revocable(valid, () => signedIn("t"));
  const { state, api } = authOf(fetch);
  await state().login(credentials);
  valid.clear();
  const usage = dataOf(api.GET("/users/me/usage"));
  await until(() => state().interrupted);
  state().abandon();
  await expect(usage).rejects.toThrow("Sign in again");
  expect(state()).toMatchObject({ phase: "signedOut", farewell: "ended" });
});

test("several requests share one question for the password", async () => {
  let proved = false;
  const { fetch, calls } = network(({ path }) => {
    if (path.endsWith("/auth/login")) return success(signedIn("t"));
    if (path.endsWith("/reauthenticate")) proved = true;
    return proved ? success({ ended: 1 }) : problem(403, "REAUTHENTICATION_REQUIRED");
  });
  const { state, api } = authOf(fetch);
  await state().login(credentials);
  const requests = [1, 2].map(() => dataOf(api.POST("/auth/logout-all")));
  await until(() => state().passwordAsked && calls.length === 3);
  await state().provePassword("x");
  await Promise.all(requests);
  expect(calls.filter(({ path }) => path.endsWith("/reauthenticate"))).toHaveLength(1);
});

test("a storage event of another tab signs out", async () => {
  const { fetch } = network(() => success(signedIn("t")));
  const { state, storageChanged } = authOf(fetch);
  await state().login(credentials);
  storageChanged({ key: LOGIN_KEY, newValue: null });
  expect(state()).toMatchObject({ phase: "signedOut", farewell: "elsewhere" });
});

test("the offset of this computer's clock is known", async () => {
  const expiresAt = new Date(Date.now() + 2 * 3_600_000).toISOString();
  const { fetch } = network(() => success(signedIn("t", { expiresIn: 3600, expiresAt })));
  const { state } = authOf(fetch);
  await state().login(credentials);
  expect(Math.round(state().clockOffset / 60_000)).toBe(60);
});

test.each([
  [
    "the configuration",
    () => Response.json({ apiUrl: "https://one.example.com/" }),
    "https://two.example.com",
    "https://one.example.com",
  ],
  ["its own origin", () => Response.json({ apiUrl: "/" }), undefined, "https://app.example.com"],
  ["the build", () => new Response(null, { status: 404 }), "https://two.example.com", "https://two.example.com"],
  [
    "the build, if a page is served instead",
    () => new Response("<html>"),
    "https://two.example.com",
    "https://two.example.com",
  ],
  ["production", () => new Response(null, { status: 404 }), undefined, "https://api.coditect.ai"],
])("the address of the API comes from %s", async (_, answer, built, expected) => {
  expect(await configLoader(async () => answer(), "https://app.example.com", built)()).toBe(expected);
});

test("a configuration that could not be loaded is loaded again", async () => {
  let up = false;
  const load = configLoader(async () => {
    if (!up) throw new TypeError("lost");
    return Response.json({ apiUrl: "/" });
  }, "https://app.example.com");
  await expect(load()).rejects.toThrow("No response");
  up = true;
  expect(await load()).toBe("https://app.example.com");
});

test("storage that is full keeps values in memory", () => {
  const full = {
    getItem: () => null,
    removeItem: () => undefined,
    setItem: () => {
      throw new DOMException("full", "QuotaExceededError");
    },
  } as unknown as Storage;
  const storage = safeStorage(() => full);
  storage.set("a", "1");
  expect(storage.get("a")).toBe("1");
  expect(storage.works()).toBe(false);
  const blocked = safeStorage(() => {
    throw new DOMException("blocked", "SecurityError");
  });
  blocked.set("a", "1");
  expect(blocked.get("a")).toBe("1");
});

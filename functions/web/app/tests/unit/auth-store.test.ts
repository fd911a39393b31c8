import { expect, test } from "vitest";

import { accountQuery, newQueryClient } from "../../src/app/queries.ts";
import type { Message } from "../../src/api/channel.ts";
import { authStore, type Backend, createAuth, DEMO, LOGIN_KEY } from "../../src/stores/auth-store.ts";
import { configLoader } from "../../src/stores/config.ts";
import { safeStorage } from "../../src/stores/storage.ts";
import { type Channel, type components, dataOf, UserChanged } from "../../src/api/index.ts";
import { memoryStorage, network, problem, signedIn, success } from "./fakes.ts";

type Account = components["schemas"]["Account"];

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

/** The channel of one tab; the test is the other tabs. */
function oneTab() {
  const listeners: ((message: Message) => void)[] = [];
  const channel: Channel = {
    send: () => undefined,
    subscribe: (listener) => (listeners.push(listener), () => undefined),
  };
  return { channel, receive: (message: Message) => listeners.forEach((listener) => listener(message)) };
}

/** The password is needed for logging out everywhere until it is entered; logging in does so. */
function passwordAsking() {
  let proved = true;
  let logins = 0;
  return network(({ path }) => {
    if (path.endsWith("/auth/login")) {
      proved = logins > 0;
      return success(signedIn(`t${++logins}`));
    }
    if (path.endsWith("/auth/refresh")) return problem(401, "INVALID_REFRESH_TOKEN");
    if (path.endsWith("/usage")) return problem(401, "REVOKED_TOKEN");
    return proved ? success({ ended: 1 }) : problem(403, "REAUTHENTICATION_REQUIRED");
  });
}

test("a request that waits for the password continues once the user signs in again", async () => {
  const { fetch } = passwordAsking();
  const { state, api } = authOf(fetch);
  await state().login(credentials);
  const request = dataOf(api.POST("/auth/logout-all"));
  await until(() => state().passwordAsked);
  const usage = dataOf(api.GET("/users/me/usage")).catch(() => undefined);
  await until(() => state().interrupted);
  await state().login(credentials);
  expect(await request).toEqual({ ended: 1 });
  expect(state()).toMatchObject({ passwordAsked: false, interrupted: false });
  await usage;
});

test("a token that is only renewed does not answer the question for the password", async () => {
  const { channel, receive } = oneTab();
  const { fetch, calls } = passwordAsking();
  const { state, api } = authOf(fetch, { channel });
  await state().login(credentials);
  const request = dataOf(api.POST("/auth/logout-all"));
  await until(() => state().passwordAsked);
  receive({ type: "token", login: signedIn("renewed"), receivedAt: Date.now() });
  expect(state().passwordAsked).toBe(true);
  state().cancelPassword();
  await expect(request).rejects.toMatchObject({ code: "REAUTHENTICATION_REQUIRED" });
  expect(calls.filter(({ path }) => path.endsWith("/logout-all"))).toHaveLength(1);
});

test("a request that waits for the password ends when another user signs in, or the user gives up", async () => {
  for (const end of ["another", "abandon"]) {
    const { channel, receive } = oneTab();
    const { fetch } = passwordAsking();
    const { state, api } = authOf(fetch, { channel });
    await state().login(credentials);
    const request = dataOf(api.POST("/auth/logout-all"));
    await until(() => state().passwordAsked);
    const login = signedIn("other");
    if (end === "abandon") state().abandon();
    else receive({ type: "token", login: { ...login, user: { ...login.user, id: "user-2" } }, receivedAt: Date.now() });
    await expect(request).rejects.toMatchObject({ code: "REAUTHENTICATION_REQUIRED" });
    expect(state().passwordAsked).toBe(false);
  }
});

test("a request whose token is renewed as another user is not sent in their name", async () => {
  const { channel, receive } = oneTab();
  const other = signedIn("other");
  const login = { ...other, user: { ...other.user, id: "user-2" } };
  const { fetch, calls } = network(({ path }) => {
    if (path.endsWith("/auth/login")) return success(signedIn("t"));
    receive({ type: "token", login, receivedAt: Date.now() });
    return problem(401, "EXPIRED_TOKEN");
  });
  const { state, api } = authOf(fetch, { channel });
  await state().login(credentials);
  await expect(api.POST("/users/me/exports")).rejects.toBeInstanceOf(UserChanged);
  expect(calls.filter(({ path }) => path.endsWith("/exports"))).toHaveLength(1);
  expect(state().user?.id).toBe("user-2");
});

test("with a channel, a mark that another tab removes signs nobody out, and a logout there does", async () => {
  const { channel, receive } = oneTab();
  const { state, storageChanged } = authOf(network(() => success(signedIn("t"))).fetch, { channel });
  await state().login(credentials);
  storageChanged({ key: LOGIN_KEY, newValue: null });
  expect(state().phase).toBe("signedIn");
  receive({ type: "signedOut" });
  expect(state()).toMatchObject({ phase: "signedOut", farewell: "elsewhere" });
});

test("an interrupted tab follows the logout of another tab", async () => {
  const { channel, receive } = oneTab();
  const { fetch } = passwordAsking();
  const { state, api } = authOf(fetch, { channel });
  await state().login(credentials);
  const usage = dataOf(api.GET("/users/me/usage"));
  await until(() => state().interrupted);
  receive({ type: "signedOut" });
  await expect(usage).rejects.toThrow("Sign in again");
  expect(state()).toMatchObject({ phase: "signedOut", farewell: "elsewhere", interrupted: false });
});

test("a demo that could not be loaded after a reload is an error to retry", async () => {
  let up = false;
  const loadDemo = async () => {
    if (!up) throw new TypeError("Failed to fetch dynamically imported module");
    return import("../../src/demo/index.ts");
  };
  const tab = memoryStorage({ "coditect.demo": "1" });
  const { state } = authOf(network(() => new TypeError("no backend")).fetch, { tab, loadDemo });
  await state().start();
  expect(state()).toMatchObject({ phase: "starting", startError: expect.any(TypeError) });
  up = true;
  await state().start();
  expect(state()).toMatchObject({ phase: "signedIn", demo: true, startError: null });
});

test("the user follows the account, and not that of somebody else", async () => {
  const { state } = authOf(network(() => success(signedIn("t"))).fetch);
  await state().login(credentials);
  const account = { ...signedIn("t").user, email: "new@example.com", firstName: "Ada" } as Account;
  state().follow({ ...account, id: "user-2" });
  expect(state().user?.email).toBe("a@example.com");
  state().follow(account);
  expect(state().user).toMatchObject({ id: "user-1", email: "new@example.com", firstName: "Ada" });
});

test("the page's own login follows every account that a page reads or saves", () => {
  const { user } = signedIn("t");
  authStore.setState({ phase: "signedIn", user });
  const value = { ...user, email: "new@example.com" } as Account;
  newQueryClient().setQueryData(accountQuery.queryKey, { value, etag: '"2"' });
  expect(authStore.getState().user?.email).toBe("new@example.com");
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

test("a token that another tab got hours ago says nothing about this computer's clock", async () => {
  const { channel, receive } = oneTab();
  const { state } = authOf(network(() => success({})).fetch, { channel });
  const receivedAt = Date.now() - 2 * 3_600_000;
  const expiresAt = new Date(receivedAt + 24 * 3_600_000).toISOString();
  receive({ type: "token", login: signedIn("t", { expiresIn: 24 * 3600, expiresAt }), receivedAt });
  expect(state()).toMatchObject({ phase: "signedIn", clockOffset: 0 });
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

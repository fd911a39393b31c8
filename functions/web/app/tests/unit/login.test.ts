import { expect, test } from "vitest";

import { Login } from "../../src/api/index.ts";
import { network, problem, sharedLock, signedIn, success, tabs } from "./fakes.ts";

const baseUrl = "https://api.example.com";

function browser(answer: Parameters<typeof network>[0], count = 2) {
  const clock = { now: 1_000_000 };
  const open = tabs();
  const lock = sharedLock();
  const net = network(answer);
  const logins = Array.from({ length: count }, () => {
    const changes: string[] = [];
    const login = new Login({
      baseUrl,
      fetch: net.fetch,
      channel: open(),
      lock,
      now: () => clock.now,
      patience: 20,
      onChange: (current, reason) => void changes.push(`${reason}:${current?.token ?? null}`),
    });
    return { login, changes };
  });
  return { clock, logins, ...net };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 10));

test("two tabs with an expired token refresh once, and both continue", async () => {
  let refreshes = 0;
  const { clock, logins, calls } = browser(({ path }) =>
    success(signedIn(path.endsWith("login") ? "first" : `renewed-${++refreshes}`)),
  );
  const [a, b] = logins.map(({ login }) => login) as [Login, Login];
  await a.logIn({ email: "a@example.com", password: "x" });
  await settle();
  clock.now += 2 * 3600_000;
  expect(await Promise.all([a.token(), b.token(), a.token()])).toEqual(["renewed-1", "renewed-1", "renewed-1"]);
  expect(calls.filter(({ path }) => path.endsWith("/auth/refresh"))).toHaveLength(1);
});

test("a new tab takes the token of an open one", async () => {
  const { logins, calls } = browser(() => success(signedIn("first")));
  await logins[0]?.login.logIn({ email: "a@example.com", password: "x" });
  const fresh = logins[1]?.login as Login;
  fresh.forget("here");
  expect(await fresh.renew(null)).toBe("first");
  expect(calls).toHaveLength(1);
});

test("the refresh token stays in the cookie", async () => {
  const { logins, calls } = browser(() => success(signedIn("first")), 1);
  await logins[0]?.login.renew(null);
  expect(calls[0]).toMatchObject({ path: "/v5/auth/refresh", body: '{"transport":"cookie"}' });
});

test("a program keeps its refresh token and replaces it at every use", async () => {
  let n = 0;
  const { fetch, calls } = network(() => success(signedIn(`t${++n}`, { refreshToken: `r${n}` })));
  const login = new Login({ baseUrl, fetch, transport: "body" });
  await login.logIn({ email: "a@example.com", password: "x" });
  await login.renew("t1");
  await login.renew("t2");
  expect(calls.slice(1).map(({ body }) => JSON.parse(body))).toEqual([{ refreshToken: "r1" }, { refreshToken: "r2" }]);
});

test("a refresh token that is not valid ends the login", async () => {
  const { logins } = browser(
    ({ path }) => (path.endsWith("login") ? success(signedIn("first")) : problem(401, "INVALID_REFRESH_TOKEN")),
    1,
  );
  const { login, changes } = logins[0]!;
  await login.logIn({ email: "a@example.com", password: "x" });
  expect(await login.renew("first")).toBeNull();
  expect(changes).toEqual(["here:first", "ended:null"]);
});

test("a refresh without a response keeps the login", async () => {
  const { logins } = browser(
    ({ path }) => (path.endsWith("login") ? success(signedIn("first")) : new TypeError("lost")),
    1,
  );
  const { login } = logins[0]!;
  await login.logIn({ email: "a@example.com", password: "x" });
  await expect(login.renew("first")).rejects.toThrow("No response");
  expect(login.current?.token).toBe("first");
});

test("a logout reaches the other tabs", async () => {
  const { logins } = browser(() => success(signedIn("first")));
  await logins[0]?.login.logIn({ email: "a@example.com", password: "x" });
  await settle();
  await logins[0]?.login.logOut();
  await settle();
  expect(logins[1]?.changes).toEqual(["elsewhere:first", "elsewhere:null"]);
});

/** A refresh whose response the test sends itself. */
function heldRefresh() {
  let answer = (_: Response) => {};
  const held = new Promise<Response>((resolve) => (answer = resolve));
  let started = () => {};
  const sent = new Promise<void>((resolve) => (started = resolve));
  let logins = 0;
  const setup = browser(({ path }) => {
    if (path.endsWith("refresh")) return (started(), held);
    return success(path.endsWith("login") ? signedIn(`login-${++logins}`) : {});
  });
  return { ...setup, sent, answer };
}

test("a refresh that is answered after a logout does not bring the login back, here or in other tabs", async () => {
  const { logins, sent, answer } = heldRefresh();
  const [{ login, changes }, other] = logins as [(typeof logins)[0], (typeof logins)[0]];
  await login.logIn({ email: "a@example.com", password: "x" });
  await settle();
  other.login.forget("here");
  const renewal = login.renew("login-1");
  await sent;
  await login.logOut();
  answer(success(signedIn("late")));
  expect(await renewal).toBeNull();
  await settle();
  expect(login.current).toBeNull();
  expect(other.login.current).toBeNull();
  expect(changes).toEqual(["here:login-1", "here:null"]);
});

test("a refresh that is answered after a logout in another tab does not bring the login back", async () => {
  const { logins, sent, answer } = heldRefresh();
  const [a, b] = logins.map(({ login }) => login) as [Login, Login];
  const renewal = a.renew(null);
  await sent;
  await b.logOut();
  await settle();
  answer(success(signedIn("late")));
  expect(await renewal).toBeNull();
  expect(a.current).toBeNull();
});

test.each([
  ["succeeds", () => success(signedIn("late"))],
  ["fails", () => problem(401, "INVALID_REFRESH_TOKEN")],
])("a refresh that %s after the user has signed in anew does not replace that login", async (_, late) => {
  const { logins, sent, answer } = heldRefresh();
  const { login } = logins[0]!;
  const renewal = login.renew(null);
  await sent;
  await login.logIn({ email: "a@example.com", password: "x" });
  answer(late());
  expect(await renewal).toBe("login-1");
  expect(login.current?.token).toBe("login-1");
});

test("a login that the API has ended follows the logout of another tab", async () => {
  const { logins } = browser(({ path }) =>
    path.endsWith("login")
      ? success(signedIn("first"))
      : path.endsWith("refresh")
        ? problem(401, "INVALID_REFRESH_TOKEN")
        : success({}),
  );
  const [a, b] = logins as [(typeof logins)[0], (typeof logins)[0]];
  await a.login.logIn({ email: "a@example.com", password: "x" });
  await settle();
  b.login.forget("here");
  await a.login.renew("first");
  await b.login.logOut();
  await settle();
  expect(a.changes).toEqual(["here:first", "ended:null", "elsewhere:null"]);
});

test("the user of a token is known also after another user has signed in", async () => {
  const other = signedIn("second");
  const { logins } = browser(
    (_, index) => success(index ? { ...other, user: { ...other.user, id: "user-2" } } : signedIn("first")),
    1,
  );
  const { login } = logins[0]!;
  for (let i = 0; i < 2; i++) await login.logIn({ email: "a@example.com", password: "x" });
  expect([login.owner("first"), login.owner("second"), login.owner()]).toEqual(["user-1", "user-2", "user-2"]);
});

test("a clock that is wrong or set back changes nothing but the time of the next refresh", async () => {
  const { clock, logins, calls } = browser(
    () => success(signedIn("first", { expiresAt: "2001-01-01T00:00:00.000Z" })),
    1,
  );
  const { login } = logins[0]!;
  await login.logIn({ email: "a@example.com", password: "x" });
  expect(await login.token()).toBe("first");
  expect(calls).toHaveLength(1);
  clock.now -= 3_600_000;
  await login.token();
  expect(calls).toHaveLength(2);
});

test("a refresh whose response is lost is repeated at once", async () => {
  const { logins, calls } = browser((_, index) => (index === 0 ? new TypeError("lost") : success(signedIn("new"))), 1);
  expect(await logins[0]?.login.renew(null)).toBe("new");
  expect(calls).toHaveLength(2);
});

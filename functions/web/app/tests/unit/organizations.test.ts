import { readFileSync } from "node:fs";
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { MemoryRouter } from "react-router";
import { expect, test, vi } from "vitest";

import {
  ApiProblem,
  type Client,
  type Code,
  type components,
  dataOf,
  Unreachable,
  UserChanged,
  versionOf,
} from "../../src/api/index.ts";
import { placeOf } from "../../src/app/place.ts";
import { placesOf } from "../../src/app/places.ts";
import { type Ability, managedRoles, may, ROLE_WORDS, ROLES } from "../../src/app/roles.ts";
import { TenantContext } from "../../src/app/tenant-context.ts";
import { ORGANIZATION_ID, USER_ID } from "../../src/demo/data.ts";
import { AcceptProblems } from "../../src/pages/invitation.tsx";
import { detailOf } from "../../src/pages/activity/sentences.ts";
import { successionOf } from "../../src/pages/organization/leave.tsx";
import { isTyped, typedAfter } from "../../src/pages/organization/settings.tsx";
import { createAuth, DEMO } from "../../src/stores/auth-store.ts";
import { ErrorNotice } from "../../src/ui/states.tsx";
import { memoryStorage, network, problem, signedIn, success } from "./fakes.ts";

type Member = components["schemas"]["Member"];

const repository = new URL("../../../../../", import.meta.url);
const document = JSON.parse(readFileSync(new URL("infra/openapi.json", repository), "utf8"));

test.each([
  ["/app/sessions", undefined, "/app"],
  ["/app/account/data", undefined, "/app"],
  ["/app/organizations/new", undefined, "/app"],
  ["/app/o", undefined, "/app"],
  ["/app/o/t1", "t1", "/app/o/t1"],
  ["/app/o/t1/sessions/s1", "t1", "/app/o/t1"],
  ["/elsewhere/app/o/t1", undefined, "/app"],
])("the address %s is in the organisation %s", (pathname, organization, base) => {
  expect(placeOf(pathname)).toEqual({ organization, base });
});

test("the roles are those of the API, each with its words", () => {
  expect(ROLES).toEqual(document.components.schemas.Role.enum);
  for (const role of ROLES) {
    const { label, phrase, about } = ROLE_WORDS[role];
    expect(label.toLowerCase()).toBe(role);
    expect(phrase).toMatch(new RegExp(`^an? ${role}$`));
    expect(about).toMatch(/^[A-Z].{20,}\.$/);
  }
});

test("no role manages a higher one, and only owners and admins manage any", () => {
  expect(ROLES.map(managedRoles)).toEqual([
    ["owner", "admin", "member", "viewer"],
    ["admin", "member", "viewer"],
    [],
    [],
  ]);
});

test.each([
  ["write", "WriteSessions"],
  ["readActivity", "ReadAudit"],
  ["readUsage", "ReadUsage"],
  ["rename", "ChangeOrganization"],
  ["manageMembers", "ManageMembers"],
  ["delete", "DeleteOrganization"],
] satisfies [Ability, string][])("the pages offer %s to the roles that have %s", (ability, permission) => {
  const readme = readFileSync(new URL("shared/domain/README.md", repository), "utf8");
  const row = readme.split("\n").find((line) => line.startsWith(`| \`${permission}\``)) ?? "";
  const cells = row.split("|").slice(2, 6);
  expect(cells.map((cell) => cell.trim())).toEqual(ROLES.map((role) => (may(role, ability) ? "yes" : "no")));
});

test("the navigation has what the role may read, in the page's tenant", () => {
  const labels = (role?: (typeof ROLES)[number]) =>
    placesOf(placeOf("/app/o/t1/usage"), role).map(({ label }) => label);
  expect(labels("admin")).toEqual(["Sessions", "Activity", "Usage", "Members", "Settings"]);
  expect(labels("viewer")).toEqual(["Sessions", "Members", "Settings"]);
  expect(labels()).toEqual(["Sessions", "Members", "Settings"]);
  expect(placesOf(placeOf("/app/o/t1/usage"), "owner").every(({ to }) => to.startsWith("/app/o/t1/"))).toBe(true);
  expect(placesOf(placeOf("/app/usage"), undefined).map(({ to }) => to)).toContain("/app/account");
});

const member = (id: string, role: Member["role"]) => ({ user: { id }, role }) as Member;

test("only the last owner needs a successor", () => {
  const own = member("me", "owner");
  const [owner, admin] = [member("a", "owner"), member("b", "admin")];
  expect(successionOf([own, admin], "me")).toEqual({ needsSuccessor: true, isAlone: false, candidates: [admin] });
  expect(successionOf([own, owner, admin], "me")).toMatchObject({ needsSuccessor: false, candidates: [admin] });
  expect(successionOf([own, owner], "me")).toEqual({ needsSuccessor: false, isAlone: false, candidates: [] });
  expect(successionOf([own], "me")).toEqual({ needsSuccessor: true, isAlone: true, candidates: [] });
});

test("the typed name confirms a deletion, whatever its accents are made of", () => {
  expect(isTyped(" Café ", "Cafe\u0301")).toBe(true);
  expect(isTyped("Cafe", "Café")).toBe(false);
  expect(isTyped("", "Café")).toBe(false);
});

test.each([
  ["Blue  Team", "Blue Team"],
  ["Blue\u00a0Team", "Blue Team"],
  ["Blue\u200b Te\u00adam\ufeff", "Blue Team"],
  ["\u2764\ufe0f", "\u2764"],
])("what nobody sees in the name %j does not have to be typed", (name, typed) => {
  expect(isTyped(typed, name)).toBe(true);
  expect(isTyped(name, typed)).toBe(true);
  expect(isTyped(typed.replace(" ", ""), name)).toBe(!typed.includes(" "));
});

test("saving a name keeps what was typed meanwhile", () => {
  expect(typedAfter({ name: "New", seen: "Old" }, "New")).toBeNull();
  expect(typedAfter({ name: "Newer", seen: "New" }, "New")).toEqual({ name: "Newer", seen: "New" });
  expect(typedAfter(null, "New")).toBeNull();
});

test("the activity says with which role somebody joined", () => {
  const event = { type: "invitation.accepted", role: "admin" } as unknown as Parameters<typeof detailOf>[0];
  expect(detailOf(event)).toBe("as admin");
});

test.each([
  ["/app/sessions", "/app/usage"],
  ["/app/o/t1/members", "/app/o/t1/usage"],
])("on %s, a used-up quota leads to %s", (page, usage) => {
  const quota = { name: "members", used: 100, limit: 100 } as const;
  const body = { success: false, type: "t", title: "T", status: 507, requestId: "r", detail: "D", quota } as const;
  const error = new ApiProblem({ ...body, code: "QUOTA_EXCEEDED" });
  const notice = createElement(ErrorNotice, { error });
  const markup = renderToStaticMarkup(createElement(MemoryRouter, { initialEntries: [page] }, notice));
  expect(markup).toContain(`href="${usage}"`);
});

const problemOf = (code: Code, more: object = {}) =>
  new ApiProblem({ success: false, type: "t", title: "T", status: 400, requestId: "r", detail: "D", code, ...more });

test.each([
  ["nothing else", null, []],
  ["the last answer", problemOf("EMAIL_NOT_VERIFIED"), []],
  ["a full organisation", problemOf("QUOTA_EXCEEDED"), ["no free seat"]],
  ["a limit of attempts", problemOf("TOO_MANY_ATTEMPTS"), ["D"]],
  ["a failure of the network", new Unreachable("https://api.example.com"), ["Your input is still here"]],
])("an email that is not verified hides nothing of %s", (_, error, texts) => {
  vi.stubGlobal("navigator", { onLine: true });
  const markup = (isVerified: boolean) => {
    const problems = createElement(AcceptProblems, { error, isVerified, email: "a@example.com" });
    return renderToStaticMarkup(createElement(MemoryRouter, null, problems));
  };
  for (const text of ["Verify your email first", ...texts]) expect(markup(false)).toContain(text);
  for (const text of texts) expect(markup(true)).toContain(text);
  expect(markup(true).includes("Verify your email first")).toBe(error !== null && texts.length === 0);
  vi.unstubAllGlobals();
});

test.each([
  ["owner", true],
  ["admin", true],
  ["member", false],
  ["viewer", false],
] as const)("a used-up quota leads %s to the quotas: %s", (role, leads) => {
  const tenant = { id: "t1", name: "Orbit", role, isOrganization: true, base: "/app/o/t1", api: {} as Client };
  const notice = createElement(ErrorNotice, { error: problemOf("QUOTA_EXCEEDED") });
  const page = createElement(TenantContext, { value: tenant }, notice);
  const markup = renderToStaticMarkup(createElement(MemoryRouter, { initialEntries: ["/app/o/t1/sessions"] }, page));
  expect(markup.includes("/app/o/t1/usage")).toBe(leads);
});

function authOf(fetch: Parameters<typeof createAuth>[0]["fetch"]) {
  const baseUrl = async () => "https://api.example.com";
  return createAuth({ fetch, baseUrl, local: memoryStorage(), tab: memoryStorage(), patience: 1 });
}

const credentials = { email: "a@example.com", password: "correct horse" };

test("the requests of two pages name the tenants of their pages, and the user's own needs no name", async () => {
  const { fetch, calls } = network(({ path }) =>
    success(path.endsWith("/auth/login") ? signedIn("t") : { sessions: [], nextCursor: null }),
  );
  const { store, api, apiIn } = authOf(fetch);
  await store.getState().login(credentials);
  calls.length = 0;
  const [first, second] = [apiIn("org-1"), apiIn("org-2")];
  await first.GET("/sessions");
  await second.GET("/sessions");
  await first.GET("/sessions");
  await api.GET("/sessions");
  await apiIn("tenant-1").GET("/sessions");
  const tenants = calls.map(({ headers }) => headers.get("Coditect-Tenant"));
  expect(tenants).toEqual(["org-1", "org-2", "org-1", null, null]);
  expect(apiIn("org-1")).toBe(first);
});

test("work that outlasts its page is not sent in the name of the next user, not even in a shared tenant", async () => {
  let user = signedIn("a").user;
  const { fetch, calls } = network(({ path }) =>
    success(path.endsWith("/auth/login") ? signedIn(user.id, { user }) : { sessions: [], nextCursor: null }),
  );
  const { store, apiIn, apiOfUserIn } = authOf(fetch);
  await store.getState().login(credentials);
  const clients = [apiOfUserIn("org-1"), apiOfUserIn("tenant-1")];
  for (const client of clients) await client.GET("/sessions");
  expect(calls.slice(1).map(({ headers }) => headers.get("Coditect-Tenant"))).toEqual(["org-1", null]);
  user = { ...user, id: "user-2" };
  await store.getState().login(credentials);
  calls.length = 0;
  for (const client of clients) await expect(client.GET("/sessions")).rejects.toBeInstanceOf(UserChanged);
  expect(calls).toHaveLength(0);
  await apiIn("org-1").GET("/sessions");
  expect(calls).toHaveLength(1);
});

test("a refusal in an organisation makes the page ask for the memberships, and no other response does", async () => {
  let status = 200;
  const { fetch } = network(({ path }) => {
    if (path.endsWith("/auth/login")) return success(signedIn("t"));
    return status === 200 ? success({ sessions: [], nextCursor: null }) : problem(status, "NOT_FOUND");
  });
  const { store, api, apiIn, onRefusal } = authOf(fetch);
  await store.getState().login(credentials);
  let refusals = 0;
  const end = onRefusal(() => void (refusals += 1));
  const attempt = (client: typeof api) => client.GET("/sessions").catch(() => undefined);
  await attempt(apiIn("org-1"));
  for (status of [422, 500]) await attempt(apiIn("org-1"));
  status = 404;
  await attempt(api);
  expect(refusals).toBe(0);
  for (status of [403, 404]) await attempt(apiIn("org-1"));
  expect(refusals).toBe(2);
  end();
  await attempt(apiIn("org-1"));
  expect(refusals).toBe(2);
});

test("an organisation of the demo can have any name, and a new version with each one", async () => {
  const { fetch } = network(() => new TypeError("no backend"));
  const { store, apiIn } = authOf(fetch);
  await store.getState().login(DEMO);
  const path = { id: ORGANIZATION_ID };
  const shared = apiIn(ORGANIZATION_ID);
  const read = () => versionOf(shared.GET("/organizations/{id}", { params: { path } }));
  const before = await read();
  const header = { "If-Match": before.etag };
  await dataOf(shared.PATCH("/organizations/{id}", { params: { path, header }, body: { name: "軌道 🚀" } }));
  const after = await read();
  expect(after.value.name).toBe("軌道 🚀");
  expect(after.etag).not.toBe(before.etag);
  expect((await read()).etag).toBe(after.etag);
});

test("the demo keeps its tenants apart, and an owner in its organisation", async () => {
  const { fetch, calls } = network(() => new TypeError("no backend"));
  const { store, api, apiIn } = authOf(fetch);
  await store.getState().login(DEMO);
  const shared = apiIn(ORGANIZATION_ID);
  const own = (await dataOf(api.GET("/sessions"))).sessions;
  const others = (await dataOf(shared.GET("/sessions"))).sessions;
  expect(own.some(({ id }) => others.some((other) => other.id === id))).toBe(false);
  const path = { id: others[0]?.id ?? "" };
  await dataOf(shared.GET("/sessions/{id}/files/stat", { params: { path, query: { path: "/" } } }));
  await expect(api.GET("/sessions/{id}", { params: { path } })).rejects.toMatchObject({ code: "NOT_FOUND" });
  await expect(apiIn("elsewhere").GET("/sessions")).rejects.toMatchObject({ code: "NOT_FOUND" });

  const organization = { id: ORGANIZATION_ID };
  const leave = (successor?: string) =>
    dataOf(
      shared.POST("/organizations/{id}/leave", {
        params: { path: organization },
        body: successor ? { successor } : {},
      }),
    );
  const params = { path: { ...organization, user: USER_ID } };
  const demote = () => dataOf(shared.PATCH("/organizations/{id}/members/{user}", { params, body: { role: "viewer" } }));
  await expect(leave()).rejects.toMatchObject({ code: "LAST_OWNER", organizations: [{ id: ORGANIZATION_ID }] });
  await expect(demote()).rejects.toMatchObject({ code: "LAST_OWNER" });
  const { members } = await dataOf(shared.GET("/organizations/{id}/members", { params: { path: organization } }));
  await leave(members.find(({ user }) => user.id !== USER_ID)?.user.id);
  expect((await dataOf(api.GET("/organizations"))).organizations).toEqual([]);
  await expect(shared.GET("/sessions")).rejects.toMatchObject({ code: "NOT_FOUND" });
  expect(calls).toHaveLength(0);
});

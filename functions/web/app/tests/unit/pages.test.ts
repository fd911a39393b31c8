import { createElement, type ReactElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { MemoryRouter } from "react-router";
import { afterEach, expect, test, vi } from "vitest";

import { ApiProblem, type Code, UnexpectedResponse } from "../../src/api/index.ts";
import { isMissingCode } from "../../src/app/page-boundary.tsx";
import { shortcutOf, useShortcuts } from "../../src/app/shortcuts.ts";
import { CreateAttempts } from "../../src/app/use-submit.ts";
import { changesOf, conflictsOf, rebased } from "../../src/pages/account/merge.ts";
import { CreatedToken } from "../../src/pages/account/tokens.tsx";
import { deleteWithUndo, useDeleted } from "../../src/pages/sessions/delete.ts";
import { authStore } from "../../src/stores/auth-store.ts";
import { ErrorNotice, explain, Failure } from "../../src/ui/states.tsx";
import { toast, useToasts } from "../../src/ui/toast.tsx";
import { signedIn } from "./fakes.ts";

type Session = Parameters<typeof deleteWithUndo>[0];

const html = (element: ReactElement) => renderToStaticMarkup(createElement(MemoryRouter, null, element));

/** The texts that a screen reader announces at once. */
const announced = (markup: string) => /role="alert">(.*?)<\/div>(?!<div>)/.exec(markup)?.[1] ?? "";

const problemOf = (code: Code, detail: string, retryAfter?: number) =>
  new ApiProblem({ success: false, type: "t", title: "Title", status: 400, code, detail, requestId: "r" }, retryAfter);

afterEach(() => {
  useToasts.setState({ toasts: [] });
  useShortcuts.setState({ on: true });
  vi.unstubAllGlobals();
});

test("a message that a further one replaces leaves, so that a deletion behind it happens", () => {
  const left: number[] = [];
  for (const n of [1, 2, 3, 4, 5]) toast(`Deleted ${n}.`, { onLeave: () => void left.push(n) });
  expect(left).toEqual([1, 2]);
  expect(useToasts.getState().toasts.map(({ text }) => text)).toEqual(["Deleted 3.", "Deleted 4.", "Deleted 5."]);
});

test("a message that was undone does not leave when further ones come", () => {
  const left: number[] = [];
  const undo = toast("Deleted 1.", { onLeave: () => void left.push(1) });
  undo();
  for (const text of ["2", "3", "4"]) toast(text);
  expect(left).toEqual([]);
});

test.each([
  ["the same user", "user-1", 1],
  ["another user", "user-2", 0],
])("a deletion that waits for Undo is sent for %s %s %i times", (_, id, times) => {
  const fetch = vi.fn(() => new Promise<never>(() => undefined));
  vi.stubGlobal("fetch", fetch);
  const { user } = signedIn("t");
  authStore.setState({ phase: "signedIn", user });
  deleteWithUndo({ id: `session-${id}`, name: "One" } as Session, () => undefined);
  authStore.setState({ user: { ...user, id } });
  for (const text of ["2", "3", "4"]) toast(text);
  expect(fetch).toHaveBeenCalledTimes(times);
  expect(useDeleted.getState().ids.has(`session-${id}`)).toBe(times === 1);
});

test("equal content keeps its key and its body, and other content gets new ones", () => {
  const attempts = new CreateAttempts();
  let n = 0;
  const attempt = (name: string) => attempts.of({ name }, () => ({ name, expiresAt: ++n }));
  const first = attempt("a");
  expect(attempt("a")).toEqual(first);
  const second = attempt("b");
  expect(second.key).not.toBe(first.key);
  expect(second.body).toEqual({ name: "b", expiresAt: 2 });
});

test("a created token is shown, and a repeated response without it says what to do", () => {
  expect(html(createElement(CreatedToken, { token: { name: "Job", token: "secret" } }))).toContain("secret");
  const lost = html(createElement(CreatedToken, { token: { name: "Job" } }));
  expect(lost).toContain('role="alert"');
  expect(lost).toContain("Revoke it, and create another one");
});

const base = { firstName: "Ada", lastName: "", company: "Engines" };

test("only what the user has changed is sent, and empty text removes it", () => {
  expect(changesOf(base, { ...base, firstName: " Grace ", company: " " })).toEqual({
    firstName: "Grace",
    company: null,
  });
  expect(changesOf(base, base)).toEqual({});
});

test("the input is put on top of a newer version, whose other changes stay", () => {
  const mine = { ...base, firstName: "Mine" };
  const theirs = { ...base, company: "Theirs" };
  expect(conflictsOf(base, mine, theirs)).toEqual([]);
  const merged = rebased(base, mine, theirs);
  expect(merged).toEqual({ firstName: "Mine", lastName: "", company: "Theirs" });
  expect(changesOf(theirs, merged)).toEqual({ firstName: "Mine" });
});

test("a member that both sides have changed is a conflict, unless they agree", () => {
  const mine = { firstName: "Mine", lastName: "Same", company: "Engines" };
  const theirs = { firstName: "Theirs", lastName: "Same", company: "Theirs" };
  expect(conflictsOf(base, mine, theirs)).toEqual(["firstName"]);
});

test.each([
  ["https://proxy.example.com/v5/sessions", "proxy.example.com"],
  ["", "The server"],
])("an unexpected response of %j is shown", (address, host) => {
  const markup = html(createElement(ErrorNotice, { error: new UnexpectedResponse(address, 200) }));
  expect(markup).toContain(`<code>${host}</code> responded with status 200`);
});

test.each([
  ["notice", ErrorNotice],
  ["failed part of a page", Failure],
])("the countdown of a %s is shown and not announced", (_, Part) => {
  const error = problemOf("TOO_MANY_ATTEMPTS", "Too many attempts.", 40);
  const markup = html(createElement(Part, { error, onRetry: () => undefined }));
  expect(markup).toContain("40 s");
  expect(announced(markup)).toContain("Too many attempts.");
  expect(announced(markup)).not.toContain("40 s");
});

test.each(["REAUTHENTICATION_REQUIRED", "EMAIL_NOT_VERIFIED"] as const)("%s is explained without the API", (code) => {
  const { text } = explain(problemOf(code, "Enter the password at `POST /auth/reauthenticate`."));
  expect(text).toEqual(expect.any(String));
  expect(text).not.toContain("POST");
});

test.each([
  ["n", {}, null, "n"],
  ["n", { ctrlKey: true }, null, undefined],
  ["n", { repeat: true }, null, undefined],
  ["n", {}, "[role=menu]", undefined],
  ["n", {}, "input", undefined],
])("the key %s with %j in %s is the shortcut %s", (key, modifiers, place, expected) => {
  const target = { closest: (selector: string) => (place && selector.includes(place) ? {} : null) };
  expect(shortcutOf({ key, target, ...modifiers } as unknown as KeyboardEvent)).toBe(expected);
});

test("single-key shortcuts can be turned off", () => {
  const press = { key: "n", target: { closest: () => null } } as unknown as KeyboardEvent;
  useShortcuts.getState().choose(false);
  expect(shortcutOf(press)).toBeUndefined();
  useShortcuts.getState().choose(true);
  expect(shortcutOf(press)).toBe("n");
});

test.each([
  "Failed to fetch dynamically imported module: https://app.example.com/assets/page.js",
  "error loading dynamically imported module: https://app.example.com/assets/page.js",
  "Importing a module script failed.",
  "Unable to preload CSS for /assets/page.css",
])("%j says that code is missing", (message) => {
  expect(isMissingCode(new TypeError(message))).toBe(true);
  expect(isMissingCode(new TypeError("x is undefined"))).toBe(false);
});

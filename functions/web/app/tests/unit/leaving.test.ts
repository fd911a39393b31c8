import { QueryClientProvider } from "@tanstack/react-query";
import { createElement, type ReactElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { MemoryRouter } from "react-router";
import { beforeEach, expect, test, vi } from "vitest";

import { type Client, Unreachable } from "../../src/api/index.ts";
import { type Member, newQueryClient, organizationsQuery } from "../../src/app/queries.ts";
import type { Role } from "../../src/app/roles.ts";
import { TenantContext } from "../../src/app/tenant-context.ts";
import NewOrganization from "../../src/pages/organization/create.tsx";
import { LeaveForm } from "../../src/pages/organization/leave.tsx";
import { deleteWithUndo } from "../../src/pages/sessions/delete.ts";
import { authStore } from "../../src/stores/auth-store.ts";
import { signedIn } from "./fakes.ts";

interface Form {
  run: () => Promise<unknown>;
  onDone: (result: unknown, isHere: boolean) => void;
}

const { navigate, forms } = vi.hoisted(() => ({ navigate: vi.fn(), forms: [] as Form[] }));
vi.mock("react-router", async (original) => ({ ...(await original<object>()), useNavigate: () => navigate }));
vi.mock("../../src/app/use-submit.ts", async (original) => ({
  ...(await original<object>()),
  useSubmit: (run: Form["run"], { onDone }: Pick<Form, "onDone">) => {
    forms.push({ run, onDone });
    return { busy: false, error: null, errorOf: () => undefined };
  },
}));

beforeEach(() => {
  navigate.mockClear();
  forms.length = 0;
});

function render(page: ReactElement, client = newQueryClient()): string {
  return renderToStaticMarkup(createElement(MemoryRouter, null, createElement(QueryClientProvider, { client }, page)));
}

const created = { id: "org-1", name: "New", role: "owner", members: 1, createdAt: "" };

test.each([
  [true, [["/app/o/org-1/members", { replace: true }]]],
  [false, []],
])("a new organisation opens while its page is open (%s), and is known in any case", (isHere, navigations) => {
  const client = newQueryClient();
  render(createElement(NewOrganization), client);
  forms[0]?.onDone(created, isHere);
  expect(navigate.mock.calls).toEqual(navigations);
  expect(client.getQueryData(organizationsQuery.queryKey)?.organizations).toMatchObject([{ id: "org-1" }]);
});

const member = (id: string, role: Role) => ({ user: { id, email: id }, role }) as Member;
const me = signedIn("t").user;

function leaveForm(role: Role, members: Member[] | undefined, error: unknown = null, api = {} as Client): string {
  authStore.setState({ phase: "signedIn", user: me });
  // What a server renders begins with the initial state.
  vi.spyOn(authStore, "getInitialState").mockImplementation(authStore.getState);
  const tenant = { id: "t1", name: "Orbit", role, isOrganization: true, base: "/app/o/t1", api };
  const nothing = () => undefined;
  const form = createElement(LeaveForm, { members, error, onRetry: nothing, onClose: nothing });
  return render(createElement(TenantContext, { value: tenant }, form));
}

test("an owner leaves only when the members are known", () => {
  vi.stubGlobal("navigator", { onLine: true });
  expect(leaveForm("owner", undefined)).toContain("Loading the members");
  expect(leaveForm("owner", undefined, new Unreachable("https://api.example.com"))).toContain("Try again");
  expect(forms).toHaveLength(0);
  expect(leaveForm("owner", [member(me.id, "owner"), member("b", "admin")])).toContain("You are the only owner");
  expect(leaveForm("owner", [member(me.id, "owner"), member("b", "owner")])).not.toContain("<select");
  expect(leaveForm("member", undefined)).toContain("<form");
  vi.unstubAllGlobals();
});

test("deletions that wait for Undo are sent before their user leaves", async () => {
  const sent: string[] = [];
  vi.stubGlobal("fetch", async (request: Request | string) => {
    if (typeof request === "string") return Response.json({});
    sent.push(request.method);
    return Response.json({ success: true, data: {} });
  });
  const api = {
    POST: async () => {
      sent.push("leave");
      return { data: { data: {} } };
    },
  } as unknown as Client;
  leaveForm("member", [], null, api);
  deleteWithUndo({ id: "s", name: "One", tenantId: "t1" } as Parameters<typeof deleteWithUndo>[0], () => undefined);
  await forms[0]?.run();
  expect(sent).toEqual(["DELETE", "leave"]);
  vi.unstubAllGlobals();
});

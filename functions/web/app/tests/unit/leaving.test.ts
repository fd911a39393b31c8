import { QueryClientProvider } from "@tanstack/react-query";
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { MemoryRouter } from "react-router";
import { beforeEach, expect, test, vi } from "vitest";

import { newQueryClient, organizationsQuery } from "../../src/app/queries.ts";
import NewOrganization from "../../src/pages/organization/create.tsx";

type OnDone = (result: unknown, isHere: boolean) => void;

const { navigate, forms } = vi.hoisted(() => ({ navigate: vi.fn(), forms: [] as OnDone[] }));
vi.mock("react-router", async (original) => ({ ...(await original<object>()), useNavigate: () => navigate }));
vi.mock("../../src/app/use-submit.ts", async (original) => ({
  ...(await original<object>()),
  useSubmit: (_: unknown, { onDone }: { onDone: OnDone }) => {
    forms.push(onDone);
    return { busy: false, error: null, errorOf: () => undefined };
  },
}));

beforeEach(() => {
  navigate.mockClear();
  forms.length = 0;
});

const created = { id: "org-1", name: "New", role: "owner", members: 1, createdAt: "" };

test.each([
  [true, [["/app/o/org-1/members", { replace: true }]]],
  [false, []],
])("a new organisation opens while its page is open (%s), and is known in any case", (isHere, navigations) => {
  const client = newQueryClient();
  const page = createElement(QueryClientProvider, { client }, createElement(NewOrganization));
  renderToStaticMarkup(createElement(MemoryRouter, null, page));
  forms[0]?.(created, isHere);
  expect(navigate.mock.calls).toEqual(navigations);
  expect(client.getQueryData(organizationsQuery.queryKey)?.organizations).toMatchObject([{ id: "org-1" }]);
});

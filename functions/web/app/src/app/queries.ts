import { QueryClient, queryOptions } from "@tanstack/react-query";

import { type components, dataOf, versionOf } from "../api/index.ts";
import { api, authStore } from "../stores/auth-store.ts";
import type { PageTenant } from "./tenant-context.ts";

export type Organization = components["schemas"]["Organization"];
export type Member = components["schemas"]["Member"];

/** Each user has a client of their own, so that nobody sees the data of the one before. */
export function newQueryClient(): QueryClient {
  const client = new QueryClient({
    defaultOptions: {
      // The API's client repeats requests itself. Offline, it fails, and the page says so.
      queries: { retry: false, networkMode: "always", staleTime: 5_000, refetchOnReconnect: "always" },
      mutations: { retry: false, networkMode: "always" },
    },
  });
  // The login has the user as of the sign-in. The email may change later, in another tab or by the link of an email.
  client.getQueryCache().subscribe(({ type, query }) => {
    if (type !== "updated" || query.queryKey[0] !== accountQuery.queryKey[0]) return;
    const account = client.getQueryData(accountQuery.queryKey)?.value;
    if (account) authStore.getState().follow(account);
  });
  return client;
}

export const accountQuery = queryOptions({
  queryKey: ["account"],
  queryFn: ({ signal }) => versionOf(api.GET("/users/me", { signal })),
  staleTime: 30_000,
});

/** The organisations of which the user is a member, with their role in each. */
export const organizationsQuery = queryOptions({
  queryKey: ["organizations"],
  queryFn: ({ signal }) => dataOf(api.GET("/organizations", { signal })),
  staleTime: 30_000,
});

/** All members of an organisation: at most a thousand, in pages of a hundred. */
export const membersQuery = ({ id, api }: PageTenant) =>
  queryOptions({
    queryKey: ["members", id],
    queryFn: async ({ signal }) => {
      const members: Member[] = [];
      let cursor: string | null = null;
      do {
        const query: { limit: number; cursor?: string } = { limit: 100, ...(cursor !== null && { cursor }) };
        const params = { path: { id }, query };
        const page: components["schemas"]["MemberPage"] = await dataOf(
          api.GET("/organizations/{id}/members", { params, signal }),
        );
        members.push(...page.members);
        cursor = page.nextCursor;
      } while (cursor !== null && members.length < 1000);
      return members;
    },
  });

export const invitationsQuery = ({ id, api }: PageTenant) =>
  queryOptions({
    queryKey: ["invitations", id],
    queryFn: ({ signal }) => dataOf(api.GET("/organizations/{id}/invitations", { params: { path: { id } }, signal })),
  });

export const usageQuery = ({ id, api, isOrganization }: PageTenant) =>
  queryOptions({
    queryKey: ["usage", id],
    queryFn: ({ signal }) =>
      isOrganization
        ? dataOf(api.GET("/organizations/{id}/usage", { params: { path: { id } }, signal }))
        : dataOf(api.GET("/users/me/usage", { signal })),
  });

export const loginsQuery = queryOptions({
  queryKey: ["logins"],
  queryFn: ({ signal }) => dataOf(api.GET("/auth/logins", { signal })),
});

export const tokensQuery = queryOptions({
  queryKey: ["tokens"],
  queryFn: ({ signal }) => dataOf(api.GET("/users/me/tokens", { signal })),
});

export const exportsQuery = queryOptions({
  queryKey: ["exports"],
  queryFn: ({ signal }) => dataOf(api.GET("/users/me/exports", { signal })),
});

export const sessionQuery = ({ id: tenant, api }: PageTenant, id: string) =>
  queryOptions({
    queryKey: ["session", tenant, id],
    queryFn: ({ signal }) => versionOf(api.GET("/sessions/{id}", { params: { path: { id } }, signal })),
  });

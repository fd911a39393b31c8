import { QueryClient, queryOptions } from "@tanstack/react-query";

import { dataOf, versionOf } from "../api/index.ts";
import { api, authStore } from "../stores/auth-store.ts";

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

export const usageQuery = queryOptions({
  queryKey: ["usage"],
  queryFn: ({ signal }) => dataOf(api.GET("/users/me/usage", { signal })),
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

export const sessionQuery = (id: string) =>
  queryOptions({
    queryKey: ["session", id],
    queryFn: ({ signal }) => versionOf(api.GET("/sessions/{id}", { params: { path: { id } }, signal })),
  });

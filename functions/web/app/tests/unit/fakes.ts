import type { Channel, Lock, SignedIn } from "../../src/api/index.ts";
import type { SafeStorage } from "../../src/stores/storage.ts";

/** A login as the API returns it. */
export function signedIn(token: string, overrides: Partial<SignedIn> = {}): SignedIn {
  const createdAt = "2026-11-27T12:00:00.000Z";
  return {
    token,
    tokenType: "Bearer",
    expiresIn: 3600,
    expiresAt: "2026-11-27T13:00:00.000Z",
    user: { id: "user-1", email: "a@example.com", emailVerified: true, firstName: null, lastName: null, createdAt },
    tenant: { id: "tenant-1", name: "A", type: "self", role: "owner" },
    ...overrides,
  };
}

export const success = (data: unknown, init: ResponseInit = {}) => Response.json({ success: true, data }, init);

export function problem(status: number, code: string, extra: object = {}, headers: Record<string, string> = {}) {
  const body = {
    success: false,
    type: "t",
    title: "T",
    detail: `It is ${code}.`,
    status,
    code,
    requestId: "r",
    ...extra,
  };
  return Response.json(body, { status, headers: { ...headers, "Content-Type": "application/problem+json" } });
}

export interface Call {
  method: string;
  path: string;
  headers: Headers;
  body: string;
  credentials: RequestCredentials;
}

/** A network whose answers are given in order, or computed. It records every request. */
export function network(answer: (call: Call, index: number) => Response | Error | Promise<Response>) {
  const calls: Call[] = [];
  const fetch = async (request: Request): Promise<Response> => {
    const { pathname, search } = new URL(request.url);
    const call = {
      method: request.method,
      path: pathname + search,
      headers: request.headers,
      body: await request.text(),
      credentials: request.credentials,
    };
    calls.push(call);
    const result = await answer(call, calls.length - 1);
    if (result instanceof Error) throw result;
    return result;
  };
  return { fetch, calls };
}

/** Channels of several tabs. Messages arrive later, as between real tabs. */
export function tabs(): () => Channel {
  const listeners = new Map<object, (message: never) => void>();
  return () => {
    const self = {};
    return {
      send(message) {
        const copy = structuredClone(message) as never;
        for (const [other, listener] of listeners) if (other !== self) setTimeout(() => listener(copy), 1);
      },
      subscribe(listener) {
        listeners.set(self, listener as (message: never) => void);
        return () => listeners.delete(self);
      },
    };
  };
}

/** A lock that several tabs share, like `navigator.locks`. */
export function sharedLock(): Lock {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const run = last.then(task, task);
    last = run.catch(() => undefined);
    return run;
  };
}

export function memoryStorage(values: Record<string, string> = {}, works = true): SafeStorage {
  const map = new Map(Object.entries(values));
  return {
    get: (key) => map.get(key) ?? null,
    set: (key, value) => void (value === null ? map.delete(key) : map.set(key, value)),
    works: () => works,
  };
}

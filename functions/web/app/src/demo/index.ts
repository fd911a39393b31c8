// The demo: the same requests as those of a user, answered in this tab. It is loaded only for the demo.

import { API_VERSION, type components } from "../api/index.ts";
import { type AuditEvent, demoData, LOGIN_ID, type Session, TENANT_ID, USER_ID } from "./data.ts";
import type { FileAnswer } from "./files.ts";

type Schemas = components["schemas"];
type Answer =
  | { status?: number; data: unknown; etag?: string }
  | { problem: Partial<Schemas["Problem"]> & { code: Schemas["Code"] } };

const sample = demoData().account;
export const user: Schemas["User"] = {
  id: sample.id,
  email: sample.email,
  emailVerified: true,
  firstName: sample.firstName,
  lastName: sample.lastName,
  createdAt: sample.createdAt,
};
export const tenant: Schemas["Tenant"] = sample.tenants[0] as Schemas["Tenant"];

/** Responds like the API, on sample data that end with the page. */
export function createDemo(): (request: Request) => Promise<Response> {
  const data = demoData();
  let version = 1;
  const versions = new Map<string, number>();
  const etagOf = (id: string) => `"${versions.get(id) ?? 1}"`;
  const changed = (id: string) => versions.set(id, ++version);

  const record = (event: object) =>
    data.events.push({
      id: (data.events.length + 1).toString(16).padStart(24, "0"),
      at: new Date().toISOString(),
      tenantId: TENANT_ID,
      loginId: LOGIN_ID,
      ip: "203.0.113.7",
      requestId: crypto.randomUUID(),
      userId: USER_ID,
      ...event,
    } as AuditEvent);

  const notFound: Answer = { problem: { code: "NOT_FOUND", status: 404, detail: "The demo has no such resource." } };
  const noSuchThing = (what: string): Answer => ({
    problem: { code: "FORBIDDEN", status: 403, title: "Not in the demo", detail: `The demo cannot ${what}.` },
  });

  function nameProblem(name: unknown): Answer | null {
    if (typeof name === "string" && name.trim()) return null;
    const errors = [{ pointer: "/name", message: "must contain visible text" }];
    return { problem: { code: "VALIDATION_FAILED", status: 422, detail: "The request has bad values.", errors } };
  }

  function page<T>(items: T[], query: URLSearchParams): { items: T[]; nextCursor: string | null } {
    const start = Number(query.get("cursor") ?? 0);
    const end = start + Number(query.get("limit") ?? 50);
    return { items: items.slice(start, end), nextCursor: end < items.length ? String(end) : null };
  }

  function sessions(
    method: string,
    id: string | undefined,
    query: URLSearchParams,
    body: Record<string, unknown>,
  ): Answer {
    if (!id && method === "GET") {
      const q = (query.get("q") ?? "").toLowerCase();
      const found = data.sessions.filter(({ name, workspacePath }) =>
        `${name}\n${workspacePath}`.toLowerCase().includes(q),
      );
      const { items, nextCursor } = page(found, query);
      return { data: { sessions: items, nextCursor } };
    }
    if (!id) {
      const problem = nameProblem(body.name);
      if (problem) return problem;
      const at = new Date().toISOString();
      const session: Session = {
        id: crypto.randomUUID(),
        tenantId: TENANT_ID,
        ownerId: USER_ID,
        name: String(body.name).trim(),
        workspacePath: String(body.workspacePath),
        createdAt: at,
        updatedAt: at,
      };
      data.sessions.unshift(session);
      record({ type: "session.created", sessionId: session.id });
      return { status: 201, data: session, etag: etagOf(session.id) };
    }
    const session = data.sessions.find((session) => session.id === id);
    if (!session) return notFound;
    if (method === "PATCH") {
      const problem = body.name === undefined ? null : nameProblem(body.name);
      if (problem) return problem;
      if (typeof body.name === "string") session.name = body.name.trim();
      if (typeof body.workspacePath === "string") session.workspacePath = body.workspacePath;
      session.updatedAt = new Date().toISOString();
      changed(id);
      record({ type: "session.changed", sessionId: id });
    }
    if (method === "DELETE") {
      data.sessions = data.sessions.filter((session) => session.id !== id);
      record({ type: "session.deleted", sessionId: id });
      return { data: {} };
    }
    return { data: session, etag: etagOf(id) };
  }

  function account(method: string, body: Record<string, unknown>): Answer {
    if (method === "PATCH") {
      const { preferences, ...names } = body;
      Object.assign(data.account, names);
      Object.assign(data.account.preferences, preferences);
      changed("account");
      record({ type: "user.profile_changed", changed: Object.keys(body) });
    }
    return { data: data.account, etag: etagOf("account") };
  }

  function answer(method: string, path: string, query: URLSearchParams, body: Record<string, unknown>): Answer {
    const [, group, first, second, third] = path.split("/");
    if (group === "sessions") return sessions(method, first, query, body);
    if (group === "audit") {
      const type = query.get("type");
      const { items, nextCursor } = page(
        [...data.events].reverse().filter((e) => !type || e.type === type),
        query,
      );
      return { data: { events: items, nextCursor } };
    }
    if (group === "version") return { data: { version: API_VERSION, commit: null } };
    if (path === "/auth/logins") return { data: { logins: data.logins } };
    if (path === "/auth/reauthenticate") return { data: {} };
    if (path === "/auth/logout-all") return { data: { ended: data.logins.length } };
    if (group === "auth" && first === "logins") {
      data.logins = data.logins.filter(({ id }) => id !== second);
      return { data: { ended: 1 } };
    }
    if (group !== "users") return noSuchThing("do this");
    switch (second) {
      case undefined:
        return account(method, body);
      case "usage":
        return {
          data: {
            quotas: [
              { name: "sessions", used: data.sessions.length, limit: 10_000 },
              { name: "storedBytes", used: 348_212_000, limit: 1_000_000_000 },
              { name: "idempotencyKeys", used: 14, limit: 10_000 },
              { name: "auditEvents", used: 37, limit: 50_000 },
              { name: "accessTokens", used: data.tokens.length, limit: 50 },
            ],
          },
        };
      case "tokens":
        if (method === "GET") return { data: { tokens: data.tokens } };
        if (method === "POST") return noSuchThing("create tokens, because there is no API to use them with");
        data.tokens = data.tokens.filter(({ id }) => id !== third);
        return { data: {} };
      case "deletion":
        return method === "GET" ? { data: { deletion: null } } : noSuchThing("delete its account");
      case "exports":
        return method === "GET" ? { data: { exports: [] } } : noSuchThing("export its account");
      default:
        return noSuchThing("change its email or picture");
    }
  }

  /** The files are a part of their own, which many demos do without. */
  let files: Promise<ReturnType<typeof import("./files.ts").createFiles>> | undefined;
  const fileAnswer = async (request: Request, url: URL, path: string[]): Promise<FileAnswer> => {
    const [session = "", ...rest] = path;
    if (!data.sessions.some(({ id }) => id === session)) return notFound;
    files ??= import("./files.ts").then(({ createFiles }) => createFiles(USER_ID));
    files.catch(() => (files = undefined));
    return (await files)(request, session, rest, url.searchParams);
  };

  return async (request) => {
    const url = new URL(request.url);
    const [, , group, ...path] = url.pathname.split("/");
    if (group === "sessions" && path.length > 1) return responseOf(await fileAnswer(request, url, path));
    const text = await request.text().catch(() => "");
    let body: Record<string, unknown> = {};
    try {
      body = JSON.parse(text || "{}") as Record<string, unknown>;
    } catch {
      // A picture: the demo does not read it.
    }
    return responseOf(answer(request.method, url.pathname.replace(/^\/v5/, ""), url.searchParams, body));
  };
}

function responseOf(result: Answer | FileAnswer): Response {
  if ("problem" in result) {
    const { status = 400, title = "Demo", detail = "" } = result.problem;
    const problem = {
      success: false,
      type: "about:blank",
      requestId: "demo",
      ...result.problem,
      status,
      title,
      detail,
    };
    return Response.json(problem, { status, headers: { "Content-Type": "application/problem+json" } });
  }
  if ("bytes" in result) {
    const headers = { ETag: result.etag, "Content-Type": "application/octet-stream" };
    return new Response(result.bytes, { headers });
  }
  const headers: Record<string, string> = result.etag ? { ETag: result.etag } : {};
  return Response.json({ success: true, data: result.data }, { status: result.status ?? 200, headers });
}

import type { components } from "../api/index.ts";

type Schemas = components["schemas"];
export type Session = Schemas["Session"];
export type Account = Schemas["Account"];
export type AuditEvent = Schemas["AuditEvent"];

const HOUR = 3_600_000;
const id = (n: number) => `01a219a1-0000-7000-8000-${n.toString(16).padStart(12, "0")}`;
const ago = (now: number, hours: number) => new Date(now - hours * HOUR).toISOString();

export const USER_ID = id(1);
export const TENANT_ID = id(2);
export const LOGIN_ID = id(3);
const TOKEN_ID = id(4);

export interface DemoData {
  account: Account;
  sessions: Session[];
  /** In commit order. */
  events: AuditEvent[];
  tokens: Schemas["PersonalAccessToken"][];
  logins: Schemas["Login"][];
}

const SESSIONS: [name: string, path: string, created: number, updated: number][] = [
  ["Checkout rewrite", "/workspace/shop/checkout", 3, 0.4],
  ["Rate limiter spike", "/workspace/gateway/limits", 27, 2],
  ["Docs: getting started", "/workspace/docs", 52, 21],
  ["Invoice export", "/workspace/billing/export", 76, 30],
  ["Search ranking", "/workspace/search", 130, 55],
  ["On-call notes", "/workspace/runbooks", 211, 60],
  ["Mobile onboarding", "/workspace/mobile/onboarding", 300, 140],
  ["Telemetry clean-up", "/workspace/platform/telemetry", 420, 260],
  ["Playground", "/workspace/playground", 640, 640],
];

/** The sample data, relative to the present. */
export function demoData(now = Date.now()): DemoData {
  const sessions = SESSIONS.map(([name, workspacePath, created, updated], index) => ({
    id: id(100 - index),
    tenantId: TENANT_ID,
    ownerId: USER_ID,
    name,
    workspacePath,
    createdAt: ago(now, created),
    updatedAt: ago(now, updated),
  }));
  const common = { tenantId: TENANT_ID, loginId: LOGIN_ID, ip: "203.0.113.7", userId: USER_ID };
  const events: AuditEvent[] = [];
  const add = (hours: number, event: object) => {
    const at = ago(now, hours);
    const number = (events.length + 1).toString(16).padStart(24, "0");
    events.push({ ...common, id: number, at, requestId: crypto.randomUUID(), ...event } as AuditEvent);
  };
  add(700, { type: "user.registered" });
  add(699.9, { type: "email.verified" });
  for (const session of [...sessions].reverse()) {
    add((now - Date.parse(session.createdAt)) / HOUR, { type: "session.created", sessionId: session.id });
  }
  add(120, { type: "user.profile_changed", changed: ["firstName", "company"] });
  add(96, { type: "login.refused", attempts: 2, ip: "198.51.100.23" });
  add(48, {
    type: "access_token.created",
    createdAccessTokenId: TOKEN_ID,
    createdForTenantId: TENANT_ID,
    scopes: ["sessions:read"],
    expiresAt: ago(now, -24 * 60),
  });
  add(2, { type: "session.changed", sessionId: id(99), loginId: null, accessTokenId: TOKEN_ID });
  add(0.4, { type: "session.changed", sessionId: id(100) });
  events.sort((a, b) => a.at.localeCompare(b.at));
  return {
    account: {
      id: USER_ID,
      email: "demo@coditect.ai",
      emailVerified: true,
      pendingEmail: null,
      deletesAt: null,
      emailSuppressed: false,
      firstName: "Dana",
      lastName: "Demo",
      company: "Sample & Co",
      avatarUrl: null,
      preferences: { notifications: { newDevice: true } },
      tenants: [{ id: TENANT_ID, name: "Sample & Co", type: "self", role: "owner" }],
      createdAt: ago(now, 700),
    },
    sessions,
    events,
    tokens: [
      {
        id: TOKEN_ID,
        name: "Nightly report",
        scopes: ["sessions:read"],
        tenantId: TENANT_ID,
        createdAt: ago(now, 48),
        expiresAt: ago(now, -24 * 60),
        lastUsedAt: ago(now, 2),
      },
    ],
    logins: [
      {
        id: LOGIN_ID,
        createdAt: ago(now, 3),
        lastUsedAt: ago(now, 0),
        expiresAt: ago(now, -24 * 30),
        userAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/143.0 Safari/537.36",
        ip: "203.0.113.7",
        current: true,
      },
      {
        id: id(5),
        createdAt: ago(now, 200),
        lastUsedAt: ago(now, 26),
        expiresAt: ago(now, -24 * 20),
        userAgent: "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile Safari/604.1",
        ip: "198.51.100.80",
        current: false,
      },
    ],
  };
}

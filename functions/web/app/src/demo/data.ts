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
export const ORGANIZATION_ID = id(6);

export interface DemoOrganization {
  id: string;
  name: string;
  createdAt: string;
  members: Schemas["Member"][];
  invitations: Schemas["Invitation"][];
}

export interface DemoData {
  account: Account;
  sessions: Session[];
  /** In commit order. */
  events: AuditEvent[];
  tokens: Schemas["PersonalAccessToken"][];
  logins: Schemas["Login"][];
  organizations: DemoOrganization[];
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

const SHARED_SESSIONS: [name: string, path: string, owner: number, created: number, updated: number][] = [
  ["Release 4.2", "/workspace/platform/release", 11, 20, 1],
  ["Incident of Tuesday", "/workspace/platform/incident", 12, 70, 44],
  ["Design tokens", "/workspace/design/tokens", 1, 190, 90],
];

const MEMBERS: [user: number, role: Schemas["Role"], first: string, last: string, joined: number][] = [
  [1, "owner", "Dana", "Demo", 600],
  [11, "admin", "Ravi", "Shah", 590],
  [12, "member", "Mei", "Lin", 400],
  [13, "viewer", "Tom", "Berg", 120],
];

function organization(now: number): DemoOrganization {
  return {
    id: ORGANIZATION_ID,
    name: "Orbit Labs",
    createdAt: ago(now, 600),
    members: MEMBERS.map(([user, role, firstName, lastName, joined]) => {
      const email = user === 1 ? "demo@coditect.ai" : `${firstName.toLowerCase()}@orbit.example`;
      return { user: { id: id(user), email, firstName, lastName }, role, joinedAt: ago(now, joined) };
    }),
    invitations: [
      {
        id: id(20),
        email: "sam@orbit.example",
        role: "member",
        invitedBy: id(11),
        createdAt: ago(now, 30),
        expiresAt: ago(now, 30 - 24 * 7),
      },
    ],
  };
}

/** The sample data, relative to the present. */
export function demoData(now = Date.now()): DemoData {
  const own = SESSIONS.map(([name, workspacePath, created, updated], index) => ({
    id: id(100 - index),
    tenantId: TENANT_ID,
    ownerId: USER_ID,
    name,
    workspacePath,
    createdAt: ago(now, created),
    updatedAt: ago(now, updated),
  }));
  const shared = SHARED_SESSIONS.map(([name, workspacePath, owner, created, updated], index) => ({
    id: id(200 - index),
    tenantId: ORGANIZATION_ID,
    ownerId: id(owner),
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
  for (const { id: sessionId, tenantId, ownerId: userId, createdAt } of [...own, ...shared].reverse()) {
    add((now - Date.parse(createdAt)) / HOUR, { type: "session.created", sessionId, tenantId, userId });
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
  const inOrganization = { tenantId: ORGANIZATION_ID, loginId: id(7), ip: "198.51.100.61" };
  for (const tenantId of [TENANT_ID, ORGANIZATION_ID]) {
    add(600, { type: "organization.created", tenantId, organizationId: ORGANIZATION_ID });
  }
  add(590, { ...inOrganization, type: "invitation.accepted", userId: id(11), invitationId: id(19), role: "admin" });
  add(30, { ...inOrganization, type: "invitation.created", userId: id(11), invitationId: id(20), role: "member" });
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
      tenants: [
        { id: TENANT_ID, name: "Sample & Co", type: "self", role: "owner" },
        { id: ORGANIZATION_ID, name: "Orbit Labs", type: "organization", role: "owner" },
      ],
      createdAt: ago(now, 700),
    },
    sessions: [...own, ...shared],
    organizations: [organization(now)],
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

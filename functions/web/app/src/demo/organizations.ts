// The organisations of the demo: the same rules as the API's, for one user.

import type { components } from "../api/index.ts";
import { isAtLeast, managedRoles, may, type Role, ROLES } from "../app/roles.ts";
import { type DemoData, type DemoOrganization, TENANT_ID, USER_ID } from "./data.ts";

type Schemas = components["schemas"];
type Problem = Partial<Schemas["Problem"]> & { code: Schemas["Code"] };
type Answer = { status?: number; data: unknown; etag?: string } | { problem: Problem };

/** An invitation is valid for a week, in milliseconds. */
const LIFETIME = 7 * 86_400_000;

const NOT_FOUND: Answer = { problem: { code: "NOT_FOUND", status: 404, detail: "The demo has no such resource." } };
const FORBIDDEN: Answer = { problem: { code: "FORBIDDEN", status: 403, detail: "The role does not allow this." } };

function invalid(pointer: string, message: string): Answer {
  const errors = [{ pointer, message }];
  return { problem: { code: "VALIDATION_FAILED", status: 422, detail: "The request has bad values.", errors } };
}

/** The role of the demo's user; undefined if they are no member. */
export function roleIn(organization: DemoOrganization): Role | undefined {
  return organization.members.find(({ user }) => user.id === USER_ID)?.role;
}

interface Versions {
  etagOf: (id: string) => string;
  changed: (id: string) => void;
}

/** Responds to the requests about organisations. `record` adds an event to the activity of one. */
export function createOrganizations(
  data: DemoData,
  record: (tenant: string, event: object) => void,
  { etagOf, changed }: Versions,
) {
  const shown = (organization: DemoOrganization, role: Role): Schemas["Organization"] => {
    const { id, name, createdAt, members } = organization;
    return { id, name, role, createdAt, members: members.length };
  };

  function create(name: unknown): Answer {
    if (typeof name !== "string" || !name.trim()) return invalid("/name", "must contain visible text");
    const { id, email, firstName, lastName } = data.account;
    const createdAt = new Date().toISOString();
    const members = [{ user: { id, email, firstName, lastName }, role: "owner" as const, joinedAt: createdAt }];
    const organization = { id: crypto.randomUUID(), name: name.trim(), createdAt, members, invitations: [] };
    data.organizations.push(organization);
    for (const tenant of [TENANT_ID, organization.id]) {
      record(tenant, { type: "organization.created", organizationId: organization.id });
    }
    return { status: 201, data: shown(organization, "owner") };
  }

  function change(organization: DemoOrganization, own: Role, method: string, body: Record<string, unknown>): Answer {
    if (method === "DELETE") {
      if (!may(own, "delete")) return FORBIDDEN;
      data.organizations = data.organizations.filter((other) => other !== organization);
      record(TENANT_ID, { type: "organization.deleted", organizationId: organization.id });
      return { data: {} };
    }
    if (method === "PATCH") {
      if (!may(own, "rename")) return FORBIDDEN;
      if (typeof body.name !== "string" || !body.name.trim()) return invalid("/name", "must contain visible text");
      organization.name = body.name.trim();
      changed(organization.id);
      record(organization.id, { type: "organization.renamed" });
    }
    return { data: shown(organization, own), etag: etagOf(organization.id) };
  }

  function lastOwner({ id, name }: DemoOrganization): Answer {
    const detail = "The organisation would lose its last owner.";
    return { problem: { code: "LAST_OWNER", status: 409, detail, organizations: [{ id, name }] } };
  }

  const hasOtherOwner = ({ members }: DemoOrganization, user: string) =>
    members.some((other) => other.role === "owner" && other.user.id !== user);

  function member(organization: DemoOrganization, own: Role, method: string, user: string, role: unknown): Answer {
    const found = organization.members.find((member) => member.user.id === user);
    if (!found) return NOT_FOUND;
    if (!managedRoles(own).includes(found.role)) return FORBIDDEN;
    const isLast = found.role === "owner" && !hasOtherOwner(organization, user);
    if (method === "DELETE") {
      if (isLast) return lastOwner(organization);
      organization.members = organization.members.filter((other) => other !== found);
      changed(organization.id);
      record(organization.id, { type: "member.removed", memberId: user });
      return { data: {} };
    }
    const next = ROLES.find((known) => known === role);
    if (!next) return invalid("/role", "must be a role");
    if (!isAtLeast(own, next)) return FORBIDDEN;
    if (isLast && next !== "owner") return lastOwner(organization);
    record(organization.id, { type: "member.role_changed", memberId: user, from: found.role, to: next });
    found.role = next;
    return { data: found };
  }

  function leave(organization: DemoOrganization, own: Role, successor: unknown): Answer {
    const next = organization.members.find(({ user }) => user.id === successor && user.id !== USER_ID);
    if (successor && !next) return invalid("/successor", "must be another member");
    if (own === "owner" && !next && !hasOtherOwner(organization, USER_ID)) return lastOwner(organization);
    if (next) next.role = "owner";
    organization.members = organization.members.filter(({ user }) => user.id !== USER_ID);
    return { data: {} };
  }

  function invitations(
    organization: DemoOrganization,
    own: Role,
    method: string,
    id: string | undefined,
    body: Record<string, unknown>,
  ): Answer {
    if (!may(own, "manageMembers")) return FORBIDDEN;
    if (id !== undefined) {
      const found = organization.invitations.find((invitation) => invitation.id === id);
      if (!found) return NOT_FOUND;
      organization.invitations = organization.invitations.filter((other) => other !== found);
      record(organization.id, { type: "invitation.revoked", invitationId: id });
      return { data: {} };
    }
    if (method === "GET") return { data: { invitations: organization.invitations } };
    const email = String(body.email).trim().toLowerCase();
    const role = ROLES.find((known) => known === body.role);
    if (!/^[^@\s]+@[^@\s]+$/.test(email)) return invalid("/email", "must be an email address");
    if (organization.members.some(({ user }) => user.email === email)) {
      return invalid("/email", "is the address of a member");
    }
    if (!role || !isAtLeast(own, role)) return FORBIDDEN;
    const [createdAt, expiresAt] = [0, LIFETIME].map((later) => new Date(Date.now() + later).toISOString());
    const invitation = { id: crypto.randomUUID(), email, role, invitedBy: USER_ID, createdAt, expiresAt };
    organization.invitations = organization.invitations.filter((other) => other.email !== email);
    organization.invitations.push(invitation as Schemas["Invitation"]);
    record(organization.id, { type: "invitation.created", invitationId: invitation.id, role });
    return { status: 201, data: invitation };
  }

  function usage({ id, members, invitations }: DemoOrganization): Answer {
    const sessions = data.sessions.filter(({ tenantId }) => tenantId === id).length;
    const quotas = [
      { name: "sessions", used: sessions, limit: 10_000 },
      { name: "storedBytes", used: 96_400_000, limit: 1_000_000_000 },
      { name: "members", used: members.length, limit: 100 },
      { name: "invitations", used: invitations.length, limit: 100 },
      { name: "auditEvents", used: 12, limit: 50_000 },
    ];
    return { data: { quotas } };
  }

  return (method: string, path: (string | undefined)[], body: Record<string, unknown>): Answer => {
    const [id, part, item] = path;
    if (id === undefined) {
      if (method === "POST") return create(body.name);
      const organizations = data.organizations.flatMap((organization) => {
        const role = roleIn(organization);
        return role ? [shown(organization, role)] : [];
      });
      return { data: { organizations } };
    }
    const organization = data.organizations.find((organization) => organization.id === id);
    const own = organization && roleIn(organization);
    if (!organization || !own) return NOT_FOUND;
    switch (part) {
      case undefined:
        return change(organization, own, method, body);
      case "usage":
        return may(own, "readUsage") ? usage(organization) : FORBIDDEN;
      case "members":
        if (item !== undefined) return member(organization, own, method, item, body.role);
        return { data: { members: organization.members, nextCursor: null } };
      case "leave":
        return leave(organization, own, body.successor);
      case "invitations":
        return invitations(organization, own, method, item, body);
      default:
        return NOT_FOUND;
    }
  };
}

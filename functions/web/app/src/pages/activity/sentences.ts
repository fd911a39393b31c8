import type { components, EVENT_TYPES } from "../../api/index.ts";
import { describeQuota } from "../../app/quotas.ts";

export type AuditEvent = components["schemas"]["AuditEvent"];
/** The types of events of this version. The API may have newer ones. */
export type EventType = (typeof EVENT_TYPES)[number];
export type Tone = "plain" | "good" | "warn";

interface Sentence {
  text: string;
  group: "Sessions" | "Signing in" | "Account" | "Access tokens" | "Operators";
  tone?: Tone;
}

const plural = (n: number, one: string) => `${n} ${one}${n === 1 ? "" : "s"}`;

/** What each type of event says. The keys are also the filter. */
const SENTENCES: Record<EventType, Sentence> = {
  "session.created": { text: "Session created", group: "Sessions", tone: "good" },
  "session.changed": { text: "Session changed", group: "Sessions" },
  "session.deleted": { text: "Session deleted", group: "Sessions" },
  "snapshot.created": { text: "Snapshot created", group: "Sessions", tone: "good" },
  "snapshot.deleted": { text: "Snapshot deleted", group: "Sessions" },
  "snapshot.restore_requested": { text: "Restore of a snapshot requested", group: "Sessions", tone: "warn" },
  "login.opened": { text: "Signed in", group: "Signing in", tone: "good" },
  "login.refused": { text: "Sign-in refused", group: "Signing in", tone: "warn" },
  "login.refreshed": { text: "Login renewed", group: "Signing in" },
  "login.refresh_replayed": { text: "Login renewed twice at once", group: "Signing in", tone: "warn" },
  "login.reuse_detected": { text: "Login ended: its token was used twice", group: "Signing in", tone: "warn" },
  "login.closed": { text: "Signed out", group: "Signing in" },
  "login.ended": { text: "Device signed out", group: "Signing in" },
  "login.evicted": { text: "Oldest login ended: too many devices", group: "Signing in" },
  "login.ended_all": { text: "All devices signed out", group: "Signing in" },
  "password.changed": { text: "Password changed", group: "Account" },
  "password.recovery_requested": { text: "Recovery requested", group: "Account", tone: "warn" },
  "password.recovered": { text: "Password recovered", group: "Account" },
  "user.registered": { text: "Account registered", group: "Account", tone: "good" },
  "user.profile_changed": { text: "Profile changed", group: "Account" },
  "user.export_requested": { text: "Export requested", group: "Account" },
  "email.verified": { text: "Email verified", group: "Account", tone: "good" },
  "email.change_requested": { text: "Change of the email requested", group: "Account" },
  "email.changed": { text: "Email changed", group: "Account" },
  "email.change_undone": { text: "Change of the email undone", group: "Account", tone: "warn" },
  "user.deletion_scheduled": { text: "Deletion of the account scheduled", group: "Account", tone: "warn" },
  "user.deletion_cancelled": { text: "Deletion of the account cancelled", group: "Account" },
  "user.deleted": { text: "Account deleted", group: "Account", tone: "warn" },
  "access_token.created": { text: "Access token created", group: "Access tokens", tone: "good" },
  "access_token.revoked": { text: "Access token revoked", group: "Access tokens" },
  "user.suspended": { text: "Account suspended", group: "Operators", tone: "warn" },
  "user.resumed": { text: "Account resumed", group: "Operators" },
  "user.deletion_ordered": { text: "Deletion of the account ordered", group: "Operators", tone: "warn" },
  "user.deletion_revoked": { text: "Deletion of the account revoked", group: "Operators" },
  "user.recovery_link_created": { text: "Recovery link created", group: "Operators", tone: "warn" },
  "login.revoked": { text: "Device signed out", group: "Operators", tone: "warn" },
  "login.revoked_all": { text: "All devices signed out", group: "Operators", tone: "warn" },
  "tenant.limit_changed": { text: "Limit changed", group: "Operators" },
  "mail.retried": { text: "Email sent again", group: "Operators" },
  "mail.dropped": { text: "Email dropped", group: "Operators" },
  "mail.suppressed": { text: "Emails suppressed", group: "Operators", tone: "warn" },
  "mail.unsuppressed": { text: "Emails allowed again", group: "Operators" },
};

function sentenceOf(type: string): Sentence | undefined {
  return Object.hasOwn(SENTENCES, type) ? SENTENCES[type as EventType] : undefined;
}

export function labelOf(type: string): string {
  return sentenceOf(type)?.text ?? type;
}

export function toneOf(type: string): Tone {
  return sentenceOf(type)?.tone ?? "plain";
}

/** The types of the filter, in groups. */
export function groupedTypes(types: readonly string[]): [group: string, types: string[]][] {
  const groups = new Map<string, string[]>();
  for (const type of types) {
    const group = sentenceOf(type)?.group ?? "Other";
    groups.set(group, [...(groups.get(group) ?? []), type]);
  }
  return [...groups];
}

const MEMBERS: Record<string, string> = {
  firstName: "first name",
  lastName: "last name",
  company: "company",
  preferences: "preferences",
  avatar: "picture",
};

/** What only this event says, like the number of attempts. */
export function detailOf(event: AuditEvent): string {
  const parts: string[] = [];
  if ("attempts" in event && typeof event.attempts === "number") parts.push(plural(event.attempts, "attempt"));
  if ("changed" in event && Array.isArray(event.changed)) {
    parts.push((event.changed as string[]).map((member) => MEMBERS[member] ?? member).join(", "));
  }
  if ("scopes" in event && Array.isArray(event.scopes)) parts.push(event.scopes.join(", "));
  if ("ended" in event && typeof event.ended === "number") parts.push(`${plural(event.ended, "login")} ended`);
  if ("quota" in event && typeof event.quota === "string") {
    parts.push(describeQuota(event.quota as Parameters<typeof describeQuota>[0]).label);
  }
  if ("operator" in event && typeof event.operator === "string") parts.push(`by the operator ${event.operator}`);
  if ("accessTokenId" in event && event.accessTokenId) parts.push("with an access token");
  return parts.join(" · ");
}

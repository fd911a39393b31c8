import type { components } from "../api/index.ts";

export type Role = components["schemas"]["Role"];

/** Every role, the highest one first. */
export const ROLES: readonly Role[] = ["owner", "admin", "member", "viewer"];

/** The lowest role that may do each of these things. The API decides; the pages only leave out what it would refuse. */
const LOWEST = {
  write: "member",
  readActivity: "admin",
  readUsage: "admin",
  rename: "admin",
  manageMembers: "admin",
  delete: "owner",
} as const satisfies Record<string, Role>;

export type Ability = keyof typeof LOWEST;

/** Whether a role is the other one or a higher one. */
export const isAtLeast = (role: Role, other: Role): boolean => ROLES.indexOf(role) <= ROLES.indexOf(other);

export const may = (role: Role, ability: Ability): boolean => isAtLeast(role, LOWEST[ability]);

/** The roles that a member with this role may give, and whose members they may change. */
export const managedRoles = (role: Role): Role[] =>
  may(role, "manageMembers") ? ROLES.filter((other) => isAtLeast(role, other)) : [];

/** What a role is called, and what its members may do. */
export const ROLE_WORDS: Record<Role, { label: string; phrase: string; about: string }> = {
  owner: { label: "Owner", phrase: "an owner", about: "Does everything, and can delete the organisation." },
  admin: { label: "Admin", phrase: "an admin", about: "Manages everyone but the owners, and sees activity and usage." },
  member: { label: "Member", phrase: "a member", about: "Creates and changes sessions with their files." },
  viewer: { label: "Viewer", phrase: "a viewer", about: "Reads sessions with their files, and changes nothing." },
};

import { Activity, Boxes, Gauge, type LucideIcon, Settings, UserRound, Users } from "lucide-react";

import type { Place } from "./place.ts";
import { may, type Role } from "./roles.ts";

/** A link of the navigation. */
export interface PlaceLink {
  to: string;
  label: string;
  icon: LucideIcon;
}

/** The links of the navigation. Those of an organisation depend on the role; undefined: it is not known yet. */
export function placesOf({ organization, base }: Place, role: Role | undefined): PlaceLink[] {
  const sessions = { to: `${base}/sessions`, label: "Sessions", icon: Boxes };
  const activity = { to: `${base}/activity`, label: "Activity", icon: Activity };
  const usage = { to: `${base}/usage`, label: "Usage", icon: Gauge };
  if (organization === undefined) {
    return [sessions, activity, usage, { to: "/app/account", label: "Account", icon: UserRound }];
  }
  return [
    sessions,
    ...(role && may(role, "readActivity") ? [activity] : []),
    ...(role && may(role, "readUsage") ? [usage] : []),
    { to: `${base}/members`, label: "Members", icon: Users },
    { to: `${base}/settings`, label: "Settings", icon: Settings },
  ];
}

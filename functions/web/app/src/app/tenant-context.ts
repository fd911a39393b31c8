import { createContext, use } from "react";

import type { Client } from "../api/index.ts";
import { may, type Ability, type Role } from "./roles.ts";

/** The tenant in which a page acts. */
export interface PageTenant {
  id: string;
  name: string;
  role: Role;
  isOrganization: boolean;
  /** What the addresses of its pages begin with. */
  base: string;
  /** Sends requests in this tenant. */
  api: Client;
}

export const TenantContext = createContext<PageTenant | null>(null);

export function useTenant(): PageTenant {
  const tenant = use(TenantContext);
  if (!tenant) throw new Error("outside of a tenant");
  return tenant;
}

/** Whether the user's role in the page's tenant allows this. */
export const useMay = (ability: Ability): boolean => may(useTenant().role, ability);

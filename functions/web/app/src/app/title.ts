import { use, useEffect } from "react";

import { TenantContext } from "./tenant-context.ts";

/** The title of the page, for the browser's tab and for screen readers. In an organisation, it names that. */
export function useTitle(title: string): void {
  const tenant = use(TenantContext);
  const organization = tenant?.isOrganization ? tenant.name : undefined;
  useEffect(() => {
    document.title = [title, organization, "Coditect"].filter(Boolean).join(" · ");
  }, [title, organization]);
}

import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";

import { hasCode } from "../../api/index.ts";
import { membersQuery, organizationsQuery } from "../../app/queries.ts";
import { useTenant } from "../../app/tenant-context.ts";

/** Reads the members and the organisations again, which say how many members there are, and the user's own role. */
export function useRefreshMembers(): () => void {
  const client = useQueryClient();
  const tenant = useTenant();
  return () => {
    void client.invalidateQueries(membersQuery(tenant));
    void client.invalidateQueries(organizationsQuery);
  };
}

/** Reads them again after a refusal that says that they are not what the page shows. */
export function useRefreshAfter(error: unknown): void {
  const refresh = useRefreshMembers();
  useEffect(() => {
    if (hasCode(error, "LAST_OWNER", "NOT_FOUND")) refresh();
    // Only an error is a reason to read them.
  }, [error]);
}

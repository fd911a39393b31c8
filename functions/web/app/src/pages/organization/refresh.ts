import { useQueryClient } from "@tanstack/react-query";

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

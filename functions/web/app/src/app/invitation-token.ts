import { useEffect, useState } from "react";
import { useLocation, useNavigate } from "react-router";

import { tabStore } from "../stores/storage.ts";

const KEY = "coditect.invitation";

/** The token of an invitation that the user has opened in this tab, and neither accepted nor put aside. */
export const openInvitation = (): string | null => tabStore.get(KEY);

export const forgetInvitation = (): void => tabStore.set(KEY, null);

/**
 * The token in the link of an invitation. It moves from the address to the storage of the tab, so that it survives a
 * registration or another sign-in, and ends with the tab at the latest.
 */
export function useInvitationToken(): string | null {
  const { hash, pathname } = useLocation();
  const navigate = useNavigate();
  const [kept, setKept] = useState(openInvitation);
  const found = new URLSearchParams(hash.slice(1)).get("token");
  useEffect(() => {
    if (!found) return;
    tabStore.set(KEY, found);
    setKept(found);
    void navigate(pathname, { replace: true });
  }, [found, pathname, navigate]);
  return found ?? kept;
}

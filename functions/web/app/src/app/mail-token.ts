import { useEffect } from "react";
import { useLocation, useNavigate } from "react-router";

interface Kept {
  mailToken?: string;
}

/**
 * The token in the link of an email. It moves from the fragment to the state of the history entry: it survives a
 * reload, and is in no address that people copy.
 */
export function useMailToken(): string | null {
  const { hash, state, pathname } = useLocation();
  const navigate = useNavigate();
  const found = new URLSearchParams(hash.slice(1)).get("token");
  useEffect(() => {
    if (found) void navigate(pathname, { replace: true, state: { mailToken: found } });
  }, [found, pathname, navigate]);
  return found ?? ((state ?? {}) as Kept).mailToken ?? null;
}

import { useEffect, useState } from "react";

/** The version that the server at this address says it runs; undefined while it is unknown. */
export function useServerVersion(address: string): string | undefined {
  const [version, setVersion] = useState<string>();
  useEffect(() => {
    const controller = new AbortController();
    void (async () => {
      for (const path of ["/v5/version", "/version"]) {
        try {
          const response = await fetch(new URL(path, address), { signal: controller.signal });
          const body = (await response.json()) as { data?: { version?: unknown }; version?: unknown };
          const found = body.data?.version ?? body.version;
          if (typeof found === "string") return setVersion(found.slice(0, 32));
        } catch {
          // It is not the API; the message says so already.
        }
      }
    })();
    return () => controller.abort();
  }, [address]);
  return version;
}

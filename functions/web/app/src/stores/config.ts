import { Unreachable } from "../api/index.ts";

/** Where the API is if nothing else is configured. */
const PRODUCTION = "https://api.coditect.ai";

/** Loads `/config.json`, which the server of this page writes at run time. */
export function configLoader(fetchText: (path: string) => Promise<Response>, origin: string, built?: string) {
  let loaded: Promise<string> | undefined;
  const load = async (): Promise<string> => {
    const response = await fetchText("/config.json").catch((error: unknown) => {
      throw new Unreachable(origin, error);
    });
    // Some hosts respond to every path with the page itself, so anything but our JSON counts as absent.
    const config: unknown = response.ok ? await response.json().catch(() => undefined) : undefined;
    const apiUrl = (config as { apiUrl?: unknown } | undefined)?.apiUrl;
    return new URL(typeof apiUrl === "string" ? apiUrl : built || PRODUCTION, origin).href.replace(/\/+$/, "");
  };
  /** The API's origin. Rejects if the network fails; the next call then tries again. */
  return (): Promise<string> => {
    loaded ??= load().catch((error: unknown) => {
      loaded = undefined;
      throw error;
    });
    return loaded;
  };
}

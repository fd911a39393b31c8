import { createStore, useStore } from "zustand";

import {
  type ChangeReason,
  type Channel,
  type Client,
  type components,
  createClient,
  dataOf,
  type Lock,
  Login,
  type SignedIn,
  tabChannel,
  tabLock,
} from "../api/index.ts";
import { configLoader } from "./config.ts";
import { Gate } from "./gate.ts";
import { localStore, type SafeStorage, tabStore } from "./storage.ts";

type Schemas = components["schemas"];

export interface AuthState {
  /** `starting` until the login of the last visit is restored, or known to be absent. */
  phase: "starting" | "signedOut" | "signedIn";
  user: Schemas["User"] | null;
  tenant: Schemas["Tenant"] | null;
  /** Sample data in this tab, without a backend. */
  demo: boolean;
  /** The login ended while the user worked. The page stays, and a dialog asks for the password. */
  interrupted: boolean;
  /** A request needs the password, because it was not entered lately. */
  passwordAsked: boolean;
  /** Why the user was signed out, for the page that asks them to sign in. */
  farewell: "elsewhere" | "ended" | "here" | null;
  /** Why the last login could not be restored: the API did not respond as expected. */
  startError: unknown;
  /** Milliseconds by which the server's clock is ahead of this computer's. */
  clockOffset: number;

  start(): Promise<void>;
  register(form: Schemas["Registration"], key?: string): Promise<void>;
  login(form: { email: string; password: string }): Promise<void>;
  completeRecovery(form: { token: string; password: string }): Promise<void>;
  logout(): Promise<void>;
  /** Ends all logins of the user, and so this one. */
  logoutEverywhere(): Promise<void>;
  /** Takes over the login in the response to a password change. */
  adopt(login: SignedIn): void;
  /** Ends the interruption without signing in again. */
  abandon(): void;
  /** Proves the password, so that the waiting requests continue. */
  provePassword(password: string): Promise<void>;
  cancelPassword(): void;
  /** Takes over what the account says of the user now, like a new email. */
  follow(account: Schemas["Account"]): void;
}

export interface Backend {
  fetch: (request: Request) => Promise<Response>;
  baseUrl: () => Promise<string>;
  channel?: Channel | undefined;
  lock?: Lock;
  /** Survives the browser; shared by all tabs. */
  local: SafeStorage;
  /** Survives a reload of this tab. */
  tab: SafeStorage;
  patience?: number;
  loadDemo?: () => Promise<typeof import("../demo/index.ts")>;
}

export const DEMO = { email: "demo@coditect.ai", password: "demo" } as const;

/** Says that this browser has a login, and whose. The refresh token is in a cookie that scripts cannot see. */
export const LOGIN_KEY = "coditect.login";
const DEMO_KEY = "coditect.demo";

/** The store with its client. Pages use `useAuth` and `api`; tests create their own. */
export function createAuth(backend: Backend) {
  const interruption = new Gate();
  const password = new Gate();
  let demoFetch: Backend["fetch"] | null = null;

  const send: Backend["fetch"] = (request) => (demoFetch ?? backend.fetch)(request);
  const baseUrl = () => (demoFetch ? "https://demo.invalid" : backend.baseUrl());
  const login = new Login({
    baseUrl: backend.baseUrl,
    fetch: backend.fetch,
    credentials: "include",
    channel: backend.channel,
    ...(backend.lock && { lock: backend.lock }),
    ...(backend.patience !== undefined && { patience: backend.patience }),
    onChange: (current, reason, receivedAt) => (current ? signedIn(current, reason, receivedAt) : signedOut(reason)),
  });
  const api: Client = createClient({
    baseUrl,
    fetch: send,
    credentials: "include",
    tokens: {
      token: async () => (demoFetch ? "demo" : login.token()),
      renew: async (rejected) => (demoFetch ? null : login.renew(rejected)),
      owner: (token) => {
        if (demoFetch) return DEMO_KEY;
        return token === undefined ? store.getState().user?.id : login.owner(token);
      },
    },
    onSignInRequired: () => {
      if (store.getState().phase !== "signedIn") return Promise.resolve(false);
      store.setState({ interrupted: true });
      return interruption.wait();
    },
    onReauthenticationRequired: () => {
      store.setState({ passwordAsked: true });
      return password.wait();
    },
  });

  const nobody = { user: null, tenant: null, demo: false, interrupted: false, passwordAsked: false } as const;

  function signedIn(current: SignedIn, reason: ChangeReason, receivedAt: number): void {
    if (demoFetch) return;
    const { user: previous, interrupted, passwordAsked } = store.getState();
    const same = previous?.id === current.user.id;
    // Who signs in again enters the password. A token that was only renewed proves nothing.
    const proved = same && interrupted && reason === "here";
    const asks = same && passwordAsked && !proved;
    backend.local.set(LOGIN_KEY, current.user.id);
    store.setState({
      ...nobody,
      phase: "signedIn",
      passwordAsked: asks,
      // Another tab may have got its token before the account changed.
      user: same && reason === "elsewhere" ? previous : current.user,
      tenant: current.tenant,
      farewell: null,
      startError: null,
      clockOffset: Date.parse(current.expiresAt) - current.expiresIn * 1000 - receivedAt,
    });
    // Another user may have signed in: their login must not repeat the requests of the first one.
    interruption.settle(same);
    if (!asks) password.settle(proved);
  }

  function signedOut(reason: ChangeReason): void {
    if (demoFetch) return;
    if (reason === "ended" && store.getState().phase === "signedIn") {
      store.setState({ interrupted: true });
      return;
    }
    // The page says already why the user was signed out.
    if (reason === "elsewhere" && store.getState().phase === "signedOut") return;
    if (reason !== "elsewhere") backend.local.set(LOGIN_KEY, null);
    store.setState({ ...nobody, phase: "signedOut", farewell: reason });
    interruption.settle(false);
    password.settle(false);
  }

  async function startDemo(): Promise<void> {
    const demo = await (backend.loadDemo ?? (() => import("../demo/index.ts")))();
    demoFetch = demo.createDemo();
    backend.tab.set(DEMO_KEY, "1");
    const { user, tenant } = demo;
    store.setState({ ...nobody, phase: "signedIn", user, tenant, demo: true, farewell: null, clockOffset: 0 });
    interruption.settle(false);
    password.settle(false);
  }

  const store = createStore<AuthState>()((set, get) => ({
    phase: "starting",
    ...nobody,
    farewell: null,
    startError: null,
    clockOffset: 0,

    async start() {
      set({ startError: null });
      try {
        if (backend.tab.get(DEMO_KEY)) return await startDemo();
        // Without storage nothing is known of an earlier login, but there may be a cookie.
        if (!backend.local.get(LOGIN_KEY) && backend.local.works()) return set({ phase: "signedOut" });
        if (await login.renew(null)) return;
        backend.local.set(LOGIN_KEY, null);
        set({ phase: "signedOut", farewell: "ended" });
      } catch (startError) {
        set({ startError });
      }
    },

    async register(form, key) {
      await login.register(form, key);
    },

    async login(form) {
      const email = form.email.trim().toLowerCase();
      if (email === DEMO.email && form.password === DEMO.password) return startDemo();
      await login.logIn({ email: form.email, password: form.password });
    },

    async completeRecovery(form) {
      await login.completeRecovery(form);
    },

    async logout() {
      if (demoFetch) {
        demoFetch = null;
        backend.tab.set(DEMO_KEY, null);
        set({ ...nobody, phase: "signedOut", farewell: "here" });
        return;
      }
      await login.logOut();
    },

    async logoutEverywhere() {
      await dataOf(api.POST("/auth/logout-all"));
      if (demoFetch) await get().logout();
      else login.leave();
    },

    adopt: (current) => void login.adopt(current),

    abandon() {
      backend.local.set(LOGIN_KEY, null);
      set({ ...nobody, phase: "signedOut", farewell: "ended" });
      interruption.settle(false);
      password.settle(false);
    },

    async provePassword(text) {
      if (!get().passwordAsked) return;
      await dataOf(api.POST("/auth/reauthenticate", { body: { password: text } }));
      set({ passwordAsked: false });
      password.settle(true);
    },

    cancelPassword() {
      set({ passwordAsked: false });
      password.settle(false);
    },

    follow({ id, email, emailVerified, firstName, lastName }) {
      const { user, demo } = get();
      if (!user || user.id !== id || demo) return;
      const now = { ...user, email, emailVerified, firstName, lastName };
      if (JSON.stringify(now) !== JSON.stringify(user)) set({ user: now });
    },
  }));

  /**
   * Another tab has removed the login: the fallback where browsers have no channel between tabs. With a channel, the
   * mark alone says nothing: a tab also removes it when it gives up while this one is signed in.
   */
  const storageChanged = ({ key, newValue }: Pick<StorageEvent, "key" | "newValue">) => {
    if (!backend.channel && key === LOGIN_KEY && newValue === null) login.forget("elsewhere");
  };

  return { store, api, login, storageChanged };
}

/** The API's origin. Rejects while neither the API nor its configuration can be reached. */
export const apiOrigin = configLoader(
  (path) => fetch(path, { cache: "no-cache" }),
  location.origin,
  import.meta.env.VITE_API_URL,
);

const auth = createAuth({
  fetch: (request) => fetch(request),
  baseUrl: apiOrigin,
  channel: tabChannel(),
  lock: tabLock(),
  local: localStore,
  tab: tabStore,
});
window.addEventListener("storage", auth.storageChanged);

export const { store: authStore, api } = auth;

export function useAuth<T>(selector: (state: AuthState) => T): T {
  return useStore(auth.store, selector);
}

import type { Channel, Lock, Message } from "./channel.ts";
import { type Client, createClient, dataOf, type TokenSource } from "./client.ts";
import { hasCode, Unreachable } from "./errors.ts";
import type { components } from "./generated/schema.ts";

type Schemas = components["schemas"];
export type SignedIn = Schemas["SignedIn"];

export interface LoginOptions {
  /** The API's origin, without `/v5`; a function if it is known only later. */
  baseUrl: string | (() => string | Promise<string>);
  /** `cookie`: the browser keeps the refresh token, and scripts never see it. `body`: this object keeps it. */
  transport?: "cookie" | "body";
  fetch?: (request: Request) => Promise<Response>;
  credentials?: RequestCredentials;
  /** Connects the tabs, so that they share access tokens. */
  channel?: Channel | undefined;
  /** Lets one tab at a time refresh. */
  lock?: Lock;
  /** Milliseconds since some instant; replaced in tests. */
  now?: () => number;
  /** Milliseconds that a tab waits for the token of another one. */
  patience?: number;
  /** Called after every change: with the new login and when its token was received, or with null and the reason. */
  onChange?: (login: SignedIn | null, reason: ChangeReason, receivedAt: number) => void;
}

/** Why the login changed. `elsewhere` is another tab, `ended` the API's decision. */
export type ChangeReason = "here" | "elsewhere" | "ended";

/** A token is renewed this many milliseconds before it expires. */
const MARGIN = 30_000;
/** So many tokens are remembered by their users. Requests wait with older tokens only for some seconds. */
const REMEMBERED = 16;

/**
 * The login of a browser or a program: its access token, and how to renew it.
 *
 * Expiry is measured from the receipt of a token, by `expiresIn`, so a wrong clock does not matter.
 */
export class Login implements TokenSource {
  readonly #options: LoginOptions;
  readonly #client: Client;
  readonly #transport: "cookie" | "body";
  readonly #now: () => number;
  readonly #id = crypto.randomUUID();
  #current: { login: SignedIn; receivedAt: number } | null = null;
  #renewal: Promise<string | null> | null = null;
  /** Counts the decisions about the login. A refresh that began before one does not undo it. */
  #generation = 0;
  /** The API has ended the login, and nobody has signed in or out since. */
  #ended = false;
  readonly #owners = new Map<string, string>();
  #listeners = new Set<(message: Message) => void>();

  constructor(options: LoginOptions) {
    this.#options = options;
    this.#transport = options.transport ?? "cookie";
    this.#now = options.now ?? Date.now;
    const { baseUrl, fetch, credentials } = options;
    this.#client = createClient({ baseUrl, ...(fetch && { fetch }), ...(credentials && { credentials }) });
    options.channel?.subscribe((message) => this.#receive(message));
  }

  get current(): SignedIn | null {
    return this.#current?.login ?? null;
  }

  owner(token?: string): string | undefined {
    return token === undefined ? this.#current?.login.user.id : this.#owners.get(token);
  }

  async token(): Promise<string | null> {
    if (!this.#current) return null;
    const { token } = this.#current.login;
    return this.#isFresh(this.#current) ? token : this.renew(token);
  }

  /** Exchanges the refresh token, once at a time across tabs. Null: there is no login any more. */
  renew(rejected: string | null): Promise<string | null> {
    if (this.#current && this.#current.login.token !== rejected && this.#isFresh(this.#current)) {
      return Promise.resolve(this.#current.login.token);
    }
    const lock: Lock = this.#options.lock ?? ((task) => task());
    this.#renewal ??= lock(() => this.#exchange(rejected)).finally(() => {
      this.#renewal = null;
    });
    return this.#renewal;
  }

  async register(form: Schemas["Registration"], key?: string): Promise<SignedIn> {
    const header = key ? { "Idempotency-Key": key } : {};
    const body = { ...form, transport: this.#transport };
    return this.adopt(await dataOf(this.#client.POST("/auth/register", { body, params: { header } })));
  }

  async logIn(form: Schemas["Credentials"]): Promise<SignedIn> {
    const body = { ...form, transport: this.#transport };
    return this.adopt(await dataOf(this.#client.POST("/auth/login", { body })));
  }

  async completeRecovery(form: Schemas["CompleteRecovery"]): Promise<SignedIn> {
    const body = { ...form, transport: this.#transport };
    return this.adopt(await dataOf(this.#client.POST("/auth/recovery/complete", { body })));
  }

  /** Ends the login here and in all tabs. If the API does not respond, this rejects and the login stays. */
  async logOut(): Promise<void> {
    const { token, refreshToken } = this.#current?.login ?? {};
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const body = this.#transport === "body" && refreshToken ? { refreshToken } : {};
    await this.#client.POST("/auth/logout", { body, headers }).catch((error: unknown) => {
      // A token that is not valid any more ends nothing, and neither does a login that has ended.
      if (!hasCode(error, "INVALID_TOKEN", "EXPIRED_TOKEN")) throw error;
    });
    this.leave();
  }

  /** Forgets the login in all tabs, after another request has ended it: logging out everywhere. */
  leave(): void {
    this.#drop();
    this.#options.channel?.send({ type: "signedOut" });
    this.#options.onChange?.(null, "here", this.#now());
  }

  /** Takes over the login of another response, like that of a password change. */
  adopt(login: SignedIn): SignedIn {
    this.#generation += 1;
    this.#take(login);
    return login;
  }

  /** Forgets the login in this tab only, because another part of the browser has ended it. */
  forget(reason: ChangeReason): void {
    const known = this.#current !== null || this.#ended;
    this.#drop();
    if (known) this.#options.onChange?.(null, reason, this.#now());
  }

  #drop(): void {
    this.#generation += 1;
    this.#current = null;
    this.#ended = false;
  }

  #take(login: SignedIn): void {
    const receivedAt = this.#now();
    this.#set(login, receivedAt);
    this.#share();
    this.#options.onChange?.(login, "here", receivedAt);
  }

  #set(login: SignedIn, receivedAt: number): void {
    this.#current = { login, receivedAt };
    this.#ended = false;
    this.#owners.delete(login.token);
    this.#owners.set(login.token, login.user.id);
    const [oldest] = this.#owners.keys();
    if (this.#owners.size > REMEMBERED && oldest !== undefined) this.#owners.delete(oldest);
  }

  #isFresh({ login, receivedAt }: { login: SignedIn; receivedAt: number }): boolean {
    const age = this.#now() - receivedAt;
    // A negative age: the clock was set back.
    return age >= 0 && age < login.expiresIn * 1000 - Math.min(MARGIN, login.expiresIn * 500);
  }

  /** Runs inside the lock. Another tab may have renewed the token before. */
  async #exchange(rejected: string | null): Promise<string | null> {
    if (this.#current && this.#current.login.token !== rejected && this.#isFresh(this.#current)) {
      return this.#current.login.token;
    }
    const shared = await this.#askTabs(rejected);
    if (shared) return shared;
    const generation = this.#generation;
    const decided = () => generation !== this.#generation;
    try {
      const refreshToken = this.#current?.login.refreshToken;
      if (this.#transport === "body" && !refreshToken) return null;
      const body = refreshToken ? { refreshToken } : { transport: "cookie" as const };
      const attempt = () => dataOf(this.#client.POST("/auth/refresh", { body }));
      // The response may be lost, and the token replaced: the API accepts it once more, if that is soon.
      const login = await attempt().catch((error: unknown) => {
        if (error instanceof Unreachable) return attempt();
        throw error;
      });
      if (decided()) return this.#current?.login.token ?? null;
      this.#take(login);
      return login.token;
    } catch (error) {
      if (decided()) return this.#current?.login.token ?? null;
      if (!hasCode(error, "INVALID_REFRESH_TOKEN", "VALIDATION_FAILED", "ACCOUNT_SUSPENDED")) throw error;
      const had = this.#current !== null;
      this.#current = null;
      this.#ended ||= had;
      if (had) this.#options.onChange?.(null, "ended", this.#now());
      return null;
    }
  }

  /** Asks the other tabs for a newer token. An answer arrives after all earlier messages of its tab. */
  #askTabs(rejected: string | null): Promise<string | null> {
    const { channel, patience = 120 } = this.#options;
    if (!channel) return Promise.resolve(null);
    return new Promise((resolve) => {
      const finish = (token: string | null) => {
        clearTimeout(timer);
        this.#listeners.delete(listen);
        resolve(token);
      };
      const listen = (message: Message) => {
        if (message.type === "token" && message.login.token !== rejected) finish(message.login.token);
      };
      const timer = setTimeout(() => finish(null), patience);
      this.#listeners.add(listen);
      channel.send({ type: "ask", from: this.#id });
    });
  }

  #share(): void {
    if (this.#current && this.#transport === "cookie") this.#options.channel?.send({ type: "token", ...this.#current });
  }

  #receive(message: Message): void {
    switch (message.type) {
      case "ask":
        if (this.#current && this.#isFresh(this.#current)) this.#share();
        return;
      case "signedOut":
        this.forget("elsewhere");
        return;
      case "token": {
        const { login, receivedAt } = message;
        if (login.token === this.#current?.login.token || !this.#isFresh({ login, receivedAt })) return;
        if (login.user.id !== this.#current?.login.user.id) this.#generation += 1;
        this.#set(login, receivedAt);
        this.#options.onChange?.(login, "elsewhere", receivedAt);
        for (const listener of this.#listeners) listener(message);
      }
    }
  }
}

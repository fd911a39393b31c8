import createFetchClient, { type Client as FetchClient, type Middleware } from "openapi-fetch";

import { errorOf, hasCode, SignInRequired, UnexpectedResponse, Unreachable, UserChanged } from "./errors.ts";
import { BYTES, KEYED, PUBLIC } from "./generated/operations.ts";
import type { paths } from "./generated/schema.ts";
import { type Attempt, sleep, waitBefore } from "./retry.ts";

/** Where access tokens come from: a `Login`, or `fixedToken` for a personal access token. */
export interface TokenSource {
  /** The access token to send; null if nobody is signed in. */
  token(): Promise<string | null>;
  /** The token to send instead of one that the API has rejected; null if there is none. */
  renew(rejected: string | null): Promise<string | null>;
  /** The id of the user whose token this is; without a token, of the user who is signed in. Absent: always the same. */
  owner?(token?: string): string | undefined;
}

export interface ClientOptions {
  /** The API's origin, without `/v5`; a function if it is known only later. */
  baseUrl: string | (() => string | Promise<string>);
  tokens?: TokenSource;
  fetch?: (request: Request) => Promise<Response>;
  /** `include` sends the cookies of another origin. */
  credentials?: RequestCredentials;
  /** The tenant of each request; by default the user's own. */
  tenant?: () => string | undefined;
  /** The login has ended. Resolves to true after the user has signed in again; then the request is sent again. */
  onSignInRequired?: () => Promise<boolean>;
  /** The password is required. Resolves to true after the user has entered it; then the request is sent again. */
  onReauthenticationRequired?: () => Promise<boolean>;
  /** Waits; replaced in tests. */
  sleep?: typeof sleep;
}

export type Client = FetchClient<paths>;

/** Seconds for one attempt. The API's own deadline is 30 seconds. */
const DEADLINE = 40;
/** openapi-fetch needs a base before the configuration is loaded. No request is sent there. */
const NOWHERE = "http://api.invalid";

/** The only token is this one, for example a personal access token. */
export function fixedToken(token: string): TokenSource {
  return { token: async () => token, renew: async () => null };
}

/** A client with one typed method per HTTP method. A failed request rejects with an `ApiError`. */
export function createClient(options: ClientOptions): Client {
  const client = createFetchClient<paths>({ baseUrl: NOWHERE });
  const middleware: Middleware = {
    onRequest: ({ request, schemaPath }) => new Exchange(options, request, `${request.method} ${schemaPath}`).run(),
  };
  client.use(middleware);
  return client;
}

/** One request with all its attempts. */
class Exchange {
  readonly #options: ClientOptions;
  readonly #request: Request;
  readonly #operation: string;
  readonly #headers: Headers;
  readonly #attempt: Attempt = { made: 0, waited: 0 };
  /** The user for whom the request is sent. */
  #owner: string | undefined;
  #url = "";

  constructor(options: ClientOptions, request: Request, operation: string) {
    this.#options = options;
    this.#request = request;
    this.#operation = operation;
    this.#headers = new Headers(request.headers);
    this.#owner = options.tokens?.owner?.();
  }

  async run(): Promise<Response> {
    const { baseUrl } = this.#options;
    const base = (typeof baseUrl === "string" ? baseUrl : await baseUrl()).replace(/\/+$/, "");
    this.#url = `${base}/v5${this.#request.url.slice(NOWHERE.length)}`;
    if (KEYED.has(this.#operation) && !this.#headers.has("Idempotency-Key")) {
      this.#headers.set("Idempotency-Key", crypto.randomUUID());
    }
    const tenant = this.#options.tenant?.();
    if (tenant && !PUBLIC.has(this.#operation)) this.#headers.set("Coditect-Tenant", tenant);
    const body = this.#request.body ? await this.#request.arrayBuffer() : null;
    return this.#untilAccepted(body);
  }

  /** Sends the request with a token that the API accepts, renewing it once and asking the user at most once. */
  async #untilAccepted(body: ArrayBuffer | null): Promise<Response> {
    const { tokens, onSignInRequired, onReauthenticationRequired } = this.#options;
    const authenticated = tokens !== undefined && !PUBLIC.has(this.#operation);
    let token = authenticated ? this.#owned(await tokens.token()) : null;
    let renewed = false;
    let asked = false;
    for (;;) {
      try {
        return await this.#untilAnswered(body, token);
      } catch (error) {
        if (!authenticated) throw error;
        if (hasCode(error, "REAUTHENTICATION_REQUIRED") && onReauthenticationRequired && !asked) {
          asked = true;
          if (!(await onReauthenticationRequired())) throw error;
          token = this.#owned(await tokens.token());
          continue;
        }
        if (!hasCode(error, "MISSING_TOKEN", "INVALID_TOKEN", "EXPIRED_TOKEN", "REVOKED_TOKEN")) throw error;
        const next = renewed ? null : this.#owned(await tokens.renew(token));
        renewed = true;
        if (next) {
          token = next;
        } else if (onSignInRequired && !asked) {
          asked = true;
          if (!(await onSignInRequired())) throw new SignInRequired();
          renewed = false;
          token = this.#owned(await tokens.token());
        } else if (onSignInRequired) {
          throw new SignInRequired();
        } else {
          throw error;
        }
      }
    }
  }

  /** Returns the token unless it is another user's: the user may change while the request waits. */
  #owned(token: string | null): string | null {
    if (token === null) return null;
    const owner = this.#options.tokens?.owner?.(token);
    this.#owner ??= owner;
    if (owner !== this.#owner) throw new UserChanged();
    return token;
  }

  /** Sends the request until it has an outcome, or waiting makes no sense any more. */
  async #untilAnswered(body: ArrayBuffer | null, token: string | null): Promise<Response> {
    for (;;) {
      try {
        this.#attempt.made += 1;
        return await this.#send(body, token);
      } catch (error) {
        const wait = waitBefore(error, this.#isRepeatable(), this.#attempt);
        if (wait === undefined) throw error;
        this.#attempt.waited += wait;
        await (this.#options.sleep ?? sleep)(wait, this.#request.signal);
      }
    }
  }

  #isRepeatable(): boolean {
    const { method } = this.#request;
    return ["GET", "HEAD", "PUT", "DELETE"].includes(method) || this.#headers.has("Idempotency-Key");
  }

  async #send(body: ArrayBuffer | null, token: string | null): Promise<Response> {
    const headers = new Headers(this.#headers);
    if (token) headers.set("Authorization", `Bearer ${token}`);
    const { signal, method, keepalive } = this.#request;
    const request = new Request(this.#url, {
      method,
      headers,
      body,
      keepalive,
      cache: "no-store",
      credentials: this.#options.credentials ?? "same-origin",
      signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE * 1000)]),
    });
    const response = await (this.#options.fetch ?? fetch)(request).catch((error: unknown) => {
      if (signal.aborted) throw signal.reason;
      throw new Unreachable(new URL(this.#url).origin, error);
    });
    if (!response.ok && response.status !== 304) throw await errorOf(response, this.#url);
    return this.#checked(response);
  }

  /** Verifies that a JSON response has the API's envelope, so that no other page passes for a success. */
  async #checked(response: Response): Promise<Response> {
    if (BYTES.has(this.#operation)) {
      if (!response.headers.has("ETag")) throw new UnexpectedResponse(this.#url, response.status);
      return response;
    }
    if (response.status === 304 || response.headers.get("Content-Type")?.startsWith("application/json") === false) {
      if (response.headers.get("Content-Type")?.startsWith("text/html")) {
        throw new UnexpectedResponse(this.#url, response.status);
      }
      return response;
    }
    const text = await response.text().catch((error: unknown) => {
      throw new Unreachable(new URL(this.#url).origin, error);
    });
    try {
      JSON.parse(text);
    } catch {
      throw new UnexpectedResponse(this.#url, response.status);
    }
    const headers = new Headers(response.headers);
    headers.delete("Content-Length");
    const copy = new Response(text, { status: response.status, headers });
    // A response that a script makes has no address, and errors name it.
    return Object.defineProperty(copy, "url", { value: this.#url });
  }
}

interface Answer<T> {
  data?: { data: T };
  response: Response;
}

/** The `data` of a success. Rejects with an `ApiError`. */
export async function dataOf<T>(answer: Promise<Answer<T>>): Promise<T> {
  const { data, response } = await answer;
  if (typeof data !== "object" || data === null || !("data" in data)) {
    throw new UnexpectedResponse(response.url, response.status);
  }
  return data.data;
}

/** The `data` of a success with its `ETag`, for `If-Match`. */
export async function versionOf<T>(answer: Promise<Answer<T>>): Promise<{ value: T; etag: string }> {
  const value = await dataOf(answer);
  const etag = (await answer).response.headers.get("ETag");
  return { value, etag: etag ?? "*" };
}

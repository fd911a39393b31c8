import type { components } from "./generated/schema.ts";

export type Code = components["schemas"]["Code"];
export type Violation = components["schemas"]["Violation"];
export type Quota = components["schemas"]["Quota"];
type ProblemBody = components["schemas"]["Problem"];

/** The API rejected a request, and says why (RFC 9457). */
export class ApiProblem extends Error {
  override readonly name = "ApiProblem";
  readonly status: number;
  readonly code: Code;
  readonly title: string;
  readonly requestId: string;
  /** Every bad value of the request, each with a JSON Pointer. */
  readonly errors: readonly Violation[];
  readonly quota: Quota | undefined;
  readonly organizations: ProblemBody["organizations"];
  /** Seconds until another attempt makes sense; undefined if the API does not say. */
  readonly retryAfter: number | undefined;

  constructor(body: ProblemBody, retryAfter?: number) {
    super(body.detail);
    this.status = body.status;
    this.code = body.code;
    this.title = body.title;
    this.requestId = body.requestId;
    this.errors = body.errors ?? [];
    this.quota = body.quota;
    this.organizations = body.organizations;
    this.retryAfter = retryAfter;
  }
}

/** No response arrived: no network, no server, or a response that the browser does not show to this origin. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
  readonly address: string;

  constructor(address: string, cause?: unknown) {
    super(`No response from ${address}.`, { cause });
    this.address = address;
  }
}

/** Something responded that is not version 5 of this API: another version, a proxy, or a page of a provider. */
export class UnexpectedResponse extends Error {
  override readonly name = "UnexpectedResponse";
  readonly address: string;
  readonly status: number;

  constructor(address: string, status: number) {
    super(`The response of ${address} with the status ${status} is not one of this API.`);
    this.address = address;
    this.status = status;
  }
}

/** The login has ended, and the user has not signed in again. */
export class SignInRequired extends Error {
  override readonly name = "SignInRequired";

  constructor() {
    super("The login has ended. Sign in again.");
  }
}

/** Another user has signed in since the request began, so it was not sent in their name. */
export class UserChanged extends Error {
  override readonly name = "UserChanged";

  constructor() {
    super("Another user has signed in meanwhile. The request was not sent in their name.");
  }
}

export type ApiError = ApiProblem | Unreachable | UnexpectedResponse | SignInRequired | UserChanged;

export function hasCode(error: unknown, ...codes: Code[]): error is ApiProblem {
  return error instanceof ApiProblem && codes.includes(error.code);
}

/** Reads a failed response. The result is always an error, whatever the response contains. */
export async function errorOf(response: Response, address: string): Promise<ApiProblem | UnexpectedResponse> {
  const body: unknown = await response.json().catch(() => undefined);
  return isProblem(body)
    ? new ApiProblem(body, retryAfterOf(response))
    : new UnexpectedResponse(address, response.status);
}

function isProblem(body: unknown): body is ProblemBody {
  if (typeof body !== "object" || body === null) return false;
  const { success, code, detail, status } = body as Record<string, unknown>;
  return success === false && typeof code === "string" && typeof detail === "string" && typeof status === "number";
}

/** `Retry-After` in seconds (RFC 9110, section 10.2.3): a number, or a date, which counts from the `Date`. */
export function retryAfterOf(response: Response): number | undefined {
  const text = response.headers.get("Retry-After")?.trim();
  if (!text) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  const now = Date.parse(response.headers.get("Date") ?? "") || Date.now();
  const seconds = Math.ceil((Date.parse(text) - now) / 1000);
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}

export { type Channel, type Lock, tabChannel, tabLock } from "./channel.ts";
export {
  type Client,
  type ClientOptions,
  createClient,
  dataOf,
  fixedToken,
  type TokenSource,
  versionOf,
} from "./client.ts";
export {
  type ApiError,
  ApiProblem,
  type Code,
  hasCode,
  type Quota,
  SignInRequired,
  UnexpectedResponse,
  Unreachable,
  UserChanged,
  type Violation,
} from "./errors.ts";
export { API_VERSION, EVENT_TYPES } from "./generated/operations.ts";
export type { components, operations, paths } from "./generated/schema.ts";
export { type ChangeReason, Login, type LoginOptions, type SignedIn } from "./login.ts";

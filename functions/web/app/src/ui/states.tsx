import { CircleAlert, Info, RefreshCw, TriangleAlert, Unplug, WifiOff } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { Link } from "react-router";

import { ApiProblem, API_VERSION, SignInRequired, UnexpectedResponse, Unreachable, UserChanged } from "../api/index.ts";
import { describeQuota } from "../app/quotas.ts";
import { useServerVersion } from "../app/version.ts";
import { Button } from "./button.tsx";

const ICONS = { info: Info, warn: TriangleAlert, bad: CircleAlert };

export function Notice({
  tone = "info",
  title,
  children,
  after,
  role,
}: {
  tone?: "info" | "warn" | "bad";
  title?: string;
  children?: ReactNode;
  /** What is not announced: it changes all the time, or is not part of the message. */
  after?: ReactNode;
  role?: "alert" | "status";
}) {
  const Icon = ICONS[tone];
  return (
    <div className="notice" data-tone={tone}>
      <Icon className="icon" aria-hidden="true" />
      <div className="notice-body">
        <div className="notice-body" role={role}>
          {title && <strong>{title}</strong>}
          {children}
        </div>
        {after}
      </div>
    </div>
  );
}

/** Seconds until `retryAfter` has passed, counting down; 0 when it has, or was never set. */
export function useCountdown(error: unknown): number {
  const seconds = error instanceof ApiProblem ? (error.retryAfter ?? 0) : 0;
  const [left, setLeft] = useState(seconds);
  useEffect(() => {
    setLeft(seconds);
    if (!seconds) return;
    const end = performance.now() + seconds * 1000;
    const timer = setInterval(() => {
      const rest = Math.max(0, Math.ceil((end - performance.now()) / 1000));
      setLeft(rest);
      if (!rest) clearInterval(timer);
    }, 250);
    return () => clearInterval(timer);
  }, [error, seconds]);
  return left;
}

export const duration = (seconds: number): string =>
  seconds < 90
    ? `${seconds} s`
    : seconds < 5400
      ? `${Math.round(seconds / 60)} min`
      : `${Math.round(seconds / 3600)} h`;

/** What happened, and what the user can do about it. */
export function explain(error: unknown): { title: string; text: ReactNode } {
  if (error instanceof Unreachable) {
    return navigator.onLine
      ? {
          title: "The API does not respond",
          text: (
            <>
              No response from <code>{error.address}</code>. It may be restarting, or a firewall blocks it. Your input
              is still here.
            </>
          ),
        }
      : {
          title: "You are offline",
          text: "Check the network connection. The page continues when it is back, and your input is still here.",
        };
  }
  if (error instanceof UnexpectedResponse)
    return { title: "This is not the API we expected", text: <UnexpectedText error={error} /> };
  if (error instanceof SignInRequired) return { title: "You are signed out", text: "Sign in again to continue." };
  if (error instanceof UserChanged) {
    return {
      title: "Another user has signed in",
      text: "This was not done, so that it does not happen in their name. Sign in as before, and try again.",
    };
  }
  if (!(error instanceof ApiProblem)) {
    return {
      title: "Something went wrong",
      text: "This is a mistake in the application. Reload the page and try again.",
    };
  }
  switch (error.code) {
    case "QUOTA_EXCEEDED":
      return {
        title: error.quota ? `The quota for ${describeQuota(error.quota.name).label} is used up` : error.title,
        text: (
          <>
            {error.quota && `${describeQuota(error.quota.name).amounts(error.quota)} in use. `}
            {error.quota && describeQuota(error.quota.name).advice} <Link to="/app/usage">See all quotas</Link>
          </>
        ),
      };
    case "STORE_FULL":
      return {
        title: "The server's disk is full",
        text: "Deleting still works. Ask the operator to make room, then try again.",
      };
    case "FORBIDDEN":
      return {
        title: error.title === "Not in the demo" ? error.title : "Your role does not allow this",
        text: error.message,
      };
    case "ORIGIN_NOT_ALLOWED":
      return {
        title: "The API does not accept this address",
        text: (
          <>
            The page was opened at <code>{location.origin}</code>. Open the address that the server prints, or ask the
            operator to add this one to <code>CORS_ALLOWED_ORIGINS</code>.
          </>
        ),
      };
    case "REAUTHENTICATION_REQUIRED":
      return {
        title: "Your password is needed again",
        text: "You entered it more than ten minutes ago. Try again, and enter it when you are asked.",
      };
    case "EMAIL_NOT_VERIFIED":
      return {
        title: "Verify your email first",
        text: "Open the link in the email that we sent to you, and try again.",
      };
    case "ACCOUNT_SUSPENDED":
      return { title: "This account is suspended", text: error.message };
    default:
      return { title: error.title, text: error.message };
  }
}

/** The host of an address, or the text itself if it is not a whole address. */
const hostOf = (address: string): string => (URL.canParse(address) ? new URL(address).host : address || "The server");

function UnexpectedText({ error }: { error: UnexpectedResponse }) {
  const found = useServerVersion(error.address);
  return (
    <>
      <code>{hostOf(error.address)}</code> responded with status {error.status}, but not like version {API_VERSION} of
      the API. {found ? `It runs version ${found}. ` : ""}
      {found && found.split(".")[0] !== API_VERSION.split(".")[0]
        ? "Reload the page to get the application for that version."
        : "A proxy or a sign-in page of the network may be in between. Reload the page, or ask the operator."}
    </>
  );
}

/** An error next to a form or an action. The fields show their own errors. */
export function ErrorNotice({ error, onRetry }: { error: unknown; onRetry?: (() => void) | undefined }) {
  const left = useCountdown(error);
  if (!error) return null;
  const { title, text } = explain(error);
  return (
    <Notice
      tone="bad"
      title={title}
      role="alert"
      after={
        <>
          {left > 0 && (
            <div>
              You can try again in <strong>{duration(left)}</strong>.
            </div>
          )}
          {onRetry && left === 0 && (
            <div>
              <Button size="small" onClick={onRetry}>
                <RefreshCw aria-hidden="true" /> Try again
              </Button>
            </div>
          )}
          <Reference error={error} />
        </>
      }
    >
      <div>{text}</div>
    </Notice>
  );
}

function Reference({ error }: { error: unknown }) {
  if (!(error instanceof ApiProblem) || error.status < 500 || error.code === "QUOTA_EXCEEDED") return null;
  return (
    <div className="muted">
      Request <code>{error.requestId}</code>
    </div>
  );
}

/** A part of the page that could not be loaded. */
export function Failure({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  const left = useCountdown(error);
  const { title, text } = explain(error);
  const Icon = error instanceof Unreachable ? (navigator.onLine ? Unplug : WifiOff) : TriangleAlert;
  return (
    <div className="state">
      <Icon className="icon" aria-hidden="true" />
      <div className="state-text" role="alert">
        <h2>{title}</h2>
        <p>{text}</p>
      </div>
      <Button onClick={onRetry} disabled={left > 0}>
        <RefreshCw aria-hidden="true" /> {left > 0 ? `Try again in ${duration(left)}` : "Try again"}
      </Button>
      <Reference error={error} />
    </div>
  );
}

/** Nothing to show, and what to do about it. With `page`, this is the whole page. */
export function Empty({
  icon,
  title,
  page,
  children,
}: {
  icon?: ReactNode;
  title: string;
  page?: boolean;
  children?: ReactNode;
}) {
  const Heading = page ? "h1" : "h2";
  return (
    <div className="state">
      {icon}
      <Heading>{title}</Heading>
      {children}
    </div>
  );
}

export function Loading({ rows = 4, label = "Loading" }: { rows?: number; label?: string }) {
  return (
    <div className="skeleton" role="status">
      <span className="sr">{label}…</span>
      {Array.from({ length: rows }, (_, index) => (
        <span key={index} aria-hidden="true" />
      ))}
    </div>
  );
}

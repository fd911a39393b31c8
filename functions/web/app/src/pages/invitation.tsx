import { useEffect, useState } from "react";
import { Link, useNavigate } from "react-router";

import { ApiProblem, type components, dataOf, hasCode } from "../api/index.ts";
import { forgetInvitation, useInvitationToken } from "../app/invitation-token.ts";
import { organizationBase } from "../app/place.ts";
import { SignInAgain } from "../app/prompts.tsx";
import { ROLE_WORDS } from "../app/roles.ts";
import { useSubmit } from "../app/use-submit.ts";
import { api, useAuth } from "../stores/auth-store.ts";
import { Button, ButtonLink } from "../ui/button.tsx";
import { ErrorNotice, Failure, Loading, Notice, useCountdown } from "../ui/states.tsx";
import { When } from "../ui/time.tsx";
import { toast } from "../ui/toast.tsx";
import { AuthLayout } from "./auth-layout.tsx";
import { commitDeletions } from "./sessions/delete.ts";

type Offer = components["schemas"]["InvitationOffer"];

/** Where signing in and registering lead back to. The token stays in the storage of the tab. */
const HERE = { from: { pathname: "/app/invitation", search: "" } };

/** The page that the link of an invitation opens. It shows what the invitation grants; a click accepts it. */
export default function Invitation() {
  const token = useInvitationToken();
  const demo = useAuth((state) => state.demo);
  if (!token) {
    return (
      <AuthLayout title="Invitation" footer={<Link to="/app/sessions">To the application</Link>}>
        <Notice tone="bad" title="The link is incomplete" role="alert">
          <div>Open it from the email again, or copy all of it into the address bar.</div>
        </Notice>
      </AuthLayout>
    );
  }
  return demo ? <InDemo /> : <Offered key={token} token={token} />;
}

function InDemo() {
  const logout = useAuth((state) => state.logout);
  return (
    <AuthLayout
      title="Invitation"
      lead="This tab shows the demo, which has no invitations of others."
      footer={
        <Link to="/app/sessions" onClick={forgetInvitation}>
          Back to the demo: put the invitation aside
        </Link>
      }
    >
      <Button variant="primary" wide onClick={() => void logout()}>
        Leave the demo, and see the invitation
      </Button>
    </AuthLayout>
  );
}

function Offered({ token }: { token: string }) {
  const [offer, setOffer] = useState<Offer | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    setError(null);
    dataOf(api.POST("/invitations/inspect", { body: { token }, signal })).then(setOffer, (error: unknown) => {
      if (!signal.aborted) setError(error);
    });
    return () => controller.abort();
  }, [token, attempt]);
  if (hasCode(error, "NOT_FOUND", "VALIDATION_FAILED")) return <Spent />;
  if (error) {
    return (
      <AuthLayout title="Invitation">
        <Failure error={error} onRetry={() => setAttempt(attempt + 1)} />
      </AuthLayout>
    );
  }
  if (!offer) {
    return (
      <AuthLayout title="Invitation">
        <Loading rows={2} label="Loading the invitation" />
      </AuthLayout>
    );
  }
  return <Decision token={token} offer={offer} />;
}

/** An invitation that was accepted, revoked, replaced, or is too old. */
function Spent() {
  const email = useAuth((state) => state.user?.email);
  useEffect(forgetInvitation, []);
  return (
    <AuthLayout title="Invitation" footer={<Link to="/app/sessions">To the application</Link>}>
      <Notice tone="bad" title="This invitation is not valid any more" role="alert">
        <div>
          It was accepted already, it was revoked or replaced by a newer one, it is too old, or whoever sent it may not
          invite any more. {email ? "If you have accepted it, the menu of the navigation has the organisation. " : ""}
          Otherwise ask for a new invitation.
        </div>
      </Notice>
    </AuthLayout>
  );
}

function Decision({ token, offer }: { token: string; offer: Offer }) {
  const phase = useAuth((state) => state.phase);
  const startError = useAuth((state) => state.startError);
  const start = useAuth((state) => state.start);
  const user = useAuth((state) => state.user?.id);
  const [accepting, setAccepting] = useState(false);
  const { phrase, about } = ROLE_WORDS[offer.role];
  return (
    <AuthLayout
      title={`Join “${offer.organization.name}”`}
      lead={`You are invited as ${phrase}.`}
      footer={
        accepting ? (
          // The invitation cannot be put aside any more.
          <span className="muted" role="status">
            Accepting the invitation…
          </span>
        ) : (
          <Link to="/app/sessions" onClick={forgetInvitation}>
            Not now: put the invitation aside
          </Link>
        )
      }
    >
      <dl className="card facts">
        <div>
          <dt>Your role</dt>
          <dd>
            {ROLE_WORDS[offer.role].label}: {about}
          </dd>
        </div>
        <div>
          <dt>Sent to</dt>
          <dd>{offer.email}</dd>
        </div>
        <div>
          <dt>Valid until</dt>
          <dd>
            <When time={offer.expiresAt} />
          </dd>
        </div>
      </dl>
      {phase === "signedIn" ? (
        <Accept key={user} token={token} offer={offer} onBusy={setAccepting} />
      ) : phase === "signedOut" ? (
        <div className="stack">
          <p>Sign in with the account of this address, or create it. You come back to this page.</p>
          <ButtonLink variant="primary" wide to="/app/sign-in" state={HERE}>
            Sign in to accept
          </ButtonLink>
          <ButtonLink wide to="/app/register" state={HERE}>
            Create an account
          </ButtonLink>
        </div>
      ) : startError ? (
        <ErrorNotice error={startError} onRetry={() => void start()} />
      ) : (
        <Loading rows={1} label="Restoring your login" />
      )}
      <SignInAgain />
    </AuthLayout>
  );
}

interface AcceptProps {
  token: string;
  offer: Offer;
  /** Called with whether the request is on its way. */
  onBusy: (busy: boolean) => void;
}

function Accept({ token, offer, onBusy }: AcceptProps) {
  const navigate = useNavigate();
  const email = useAuth((state) => state.user?.email ?? "");
  const isVerified = useVerified();
  const { busy, error, submit } = useSubmit(() => dataOf(api.POST("/invitations/accept", { body: { token } })), {
    onDone: ({ organization }, isHere) => {
      forgetInvitation();
      toast(`You are a member of “${organization.name}” now.`);
      if (isHere) void navigate(`${organizationBase(organization.id)}/sessions`, { replace: true });
    },
  });
  useEffect(() => {
    onBusy(busy);
    return () => onBusy(false);
  }, [busy, onBusy]);
  const left = useCountdown(error);
  const isSpent = hasCode(error, "NOT_FOUND");
  useEffect(() => {
    if (isSpent) forgetInvitation();
  }, [isSpent]);
  if (isSpent) {
    return (
      <Notice tone="bad" title="This invitation is not valid any more" role="alert">
        <div>It was revoked, replaced or used meanwhile, or it is too old now. Ask for a new one.</div>
      </Notice>
    );
  }
  if (hasCode(error, "OTHER_ADDRESS")) return <OtherAddress sentTo={offer.email} email={email} />;
  return (
    <div className="stack">
      <AcceptProblems error={error} isVerified={isVerified} email={email} />
      <Button variant="primary" wide busy={busy} disabled={left > 0} onClick={() => void submit()}>
        Accept the invitation
      </Button>
      <p className="muted small">You are signed in as {email}.</p>
    </div>
  );
}

/** What is in the way of accepting: the email that is not verified, and why the last attempt failed. */
export function AcceptProblems({ error, isVerified, email }: { error: unknown; isVerified: boolean; email: string }) {
  const isUnverified = hasCode(error, "EMAIL_NOT_VERIFIED");
  return (
    <>
      {(!isVerified || isUnverified) && <NotVerified email={email} />}
      {hasCode(error, "QUOTA_EXCEEDED") ? <Full error={error} /> : !isUnverified && <ErrorNotice error={error} />}
    </>
  );
}

/** Whether the user's email is verified, which the link of another email may have done in another tab. */
function useVerified(): boolean {
  const isVerified = useAuth((state) => state.user?.emailVerified ?? false);
  const follow = useAuth((state) => state.follow);
  useEffect(() => {
    if (isVerified) return;
    const check = () => void dataOf(api.GET("/users/me")).then(follow, () => undefined);
    check();
    window.addEventListener("focus", check);
    return () => window.removeEventListener("focus", check);
  }, [isVerified, follow]);
  return isVerified;
}

function NotVerified({ email }: { email: string }) {
  const { busy, error, submit } = useSubmit(() => dataOf(api.POST("/auth/email/verification")), {
    onDone: () => void toast(`Sent an email to ${email}.`),
  });
  return (
    <Notice
      tone="warn"
      title="Verify your email first"
      role="status"
      after={
        <>
          <ErrorNotice error={error} />
          <div>
            <Button size="small" busy={busy} onClick={() => void submit()}>
              Send it again
            </Button>
          </div>
        </>
      }
    >
      <div>Open the link in the email to {email}. Then come back to this page, and accept.</div>
    </Notice>
  );
}

/** The user is signed in with another account than the invited one. */
function OtherAddress({ sentTo, email }: { sentTo: string; email: string }) {
  const logout = useAuth((state) => state.logout);
  const { busy, error, submit } = useSubmit(() => commitDeletions().then(logout));
  return (
    <div className="stack">
      <Notice tone="warn" title="This invitation is for another address" role="alert">
        <div>
          It was sent to {sentTo}, and you are signed in as {email}. Sign out and use the account of that address, or
          ask for an invitation to {email}.
        </div>
      </Notice>
      <ErrorNotice error={error} />
      <Button variant="primary" wide busy={busy} onClick={() => void submit()}>
        Sign out, and use the other account
      </Button>
    </div>
  );
}

/** No seat is free, or the user is in too many organisations. The invitation stays valid. */
function Full({ error }: { error: ApiProblem }) {
  const isOwn = error.quota?.name === "memberships";
  return (
    <Notice
      tone="bad"
      title={isOwn ? "You are in too many organisations" : "The organisation has no free seat"}
      role="alert"
    >
      <div>
        {isOwn
          ? "Leave one that you no longer need, and accept again."
          : "Ask one of its owners or admins to make room, and accept again."}{" "}
        The invitation stays valid.
      </div>
    </Notice>
  );
}

import { QueryClientProvider } from "@tanstack/react-query";
import { Suspense, useEffect, useMemo } from "react";
import { Navigate, Outlet, Route, Routes, useLocation } from "react-router";

import { SignIn } from "../pages/sign-in.tsx";
import { useAuth } from "../stores/auth-store.ts";
import { Failure, Loading } from "../ui/states.tsx";
import { Toasts } from "../ui/toast.tsx";
import { lazyPage, PageBoundary } from "./page-boundary.tsx";
import { newQueryClient } from "./queries.ts";
import { Shell } from "./shell.tsx";

const Register = lazyPage(() => import("../pages/register.tsx"));
const Recover = lazyPage(() => import("../pages/recover.tsx"));
const MailLink = lazyPage(() => import("../pages/mail-link.tsx"));
const Sessions = lazyPage(() => import("../pages/sessions/list.tsx"));
const Session = lazyPage(() => import("../pages/sessions/session.tsx"));
const Activity = lazyPage(() => import("../pages/activity/page.tsx"));
const Usage = lazyPage(() => import("../pages/usage.tsx"));
const Account = lazyPage(() => import("../pages/account/layout.tsx"));
const Profile = lazyPage(() => import("../pages/account/profile.tsx"));
const Security = lazyPage(() => import("../pages/account/security.tsx"));
const Tokens = lazyPage(() => import("../pages/account/tokens.tsx"));
const Data = lazyPage(() => import("../pages/account/data.tsx"));
const Missing = lazyPage(() => import("../pages/missing.tsx"));

export function App() {
  return (
    <>
      <Suspense fallback={<Splash />}>
        <Routes>
          <Route path="/" element={<Navigate to="/app/sessions" replace />} />
          <Route path="/app" element={<Navigate to="/app/sessions" replace />} />
          <Route path="/app/sign-in" element={<SignIn />} />
          <Route path="/app/register" element={<Register />} />
          <Route path="/app/recover" element={<Recover />} />
          <Route path="/app/verify" element={<MailLink kind="verify" />} />
          <Route path="/app/confirm-email" element={<MailLink kind="confirm" />} />
          <Route path="/app/undo-email" element={<MailLink kind="undo" />} />
          <Route element={<SignedIn />}>
            <Route path="/app/sessions" element={<Sessions />} />
            <Route path="/app/sessions/:id" element={<Session />} />
            <Route path="/app/activity" element={<Activity />} />
            <Route path="/app/usage" element={<Usage />} />
            <Route path="/app/account" element={<Account />}>
              <Route index element={<Profile />} />
              <Route path="security" element={<Security />} />
              <Route path="tokens" element={<Tokens />} />
              <Route path="data" element={<Data />} />
            </Route>
            <Route path="*" element={<Missing />} />
          </Route>
        </Routes>
      </Suspense>
      <Toasts />
    </>
  );
}

/** The pages of a user. Others are asked to sign in, and return to the same place. */
function SignedIn() {
  const phase = useAuth((state) => state.phase);
  const startError = useAuth((state) => state.startError);
  const farewell = useAuth((state) => state.farewell);
  const start = useAuth((state) => state.start);
  const identity = useAuth((state) => `${state.demo}:${state.user?.id}`);
  const location = useLocation();
  if (phase === "starting") {
    return startError ? <StartFailure error={startError} onRetry={() => void start()} /> : <Splash />;
  }
  if (phase === "signedOut") {
    // Whoever signs out does not want to return to the page.
    const state = farewell === "here" ? null : { from: location };
    return <Navigate to="/app/sign-in" state={state} replace />;
  }
  return <User key={identity} />;
}

function User() {
  const client = useMemo(newQueryClient, []);
  const { pathname } = useLocation();
  return (
    <QueryClientProvider client={client}>
      <Shell>
        <PageBoundary place={pathname}>
          <Suspense fallback={<Loading />}>
            <Outlet />
          </Suspense>
        </PageBoundary>
      </Shell>
    </QueryClientProvider>
  );
}

function StartFailure({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  useEffect(() => {
    window.addEventListener("online", onRetry);
    return () => window.removeEventListener("online", onRetry);
  }, [onRetry]);
  return (
    <main className="splash">
      <Failure error={error} onRetry={onRetry} />
    </main>
  );
}

function Splash() {
  return (
    <main className="splash" aria-busy="true">
      <span className="spinner" role="status" aria-label="Loading" />
    </main>
  );
}

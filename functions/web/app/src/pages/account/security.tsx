import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Laptop, Smartphone } from "lucide-react";
import { useState } from "react";

import { type components, dataOf, hasCode } from "../../api/index.ts";
import { loginsQuery } from "../../app/queries.ts";
import { useSubmit } from "../../app/use-submit.ts";
import { api, useAuth } from "../../stores/auth-store.ts";
import { Button } from "../../ui/button.tsx";
import { Confirm } from "../../ui/confirm.tsx";
import { PasswordField } from "../../ui/field.tsx";
import { ErrorNotice, Failure, Loading, useCountdown } from "../../ui/states.tsx";
import { Since } from "../../ui/time.tsx";
import { toast } from "../../ui/toast.tsx";
import { Section } from "./section.tsx";

export default function Security() {
  return (
    <>
      <PasswordSection />
      <DevicesSection />
    </>
  );
}

function PasswordSection() {
  const email = useAuth((state) => state.user?.email ?? "");
  const demo = useAuth((state) => state.demo);
  const adopt = useAuth((state) => state.adopt);
  const client = useQueryClient();
  const [currentPassword, setCurrent] = useState("");
  const [newPassword, setNew] = useState("");
  const { busy, error, errorOf, submit, form } = useSubmit(
    async () => {
      const body = { currentPassword, newPassword, transport: "cookie" as const };
      adopt(await dataOf(api.POST("/auth/password", { body })));
    },
    {
      fields: { "/currentPassword": "The current password", "/newPassword": "The new password" },
      onDone: () => {
        setCurrent("");
        setNew("");
        toast("Changed the password. All other devices are signed out.");
        void client.invalidateQueries(loginsQuery);
      },
    },
  );
  const left = useCountdown(error);
  const wrong = hasCode(error, "INVALID_CREDENTIALS");
  return (
    <Section title="Password" lead="Changing it signs out all other devices.">
      <form className="stack" ref={form} onSubmit={submit} noValidate>
        {!wrong && <ErrorNotice error={error} />}
        <input
          className="sr"
          type="email"
          autoComplete="username"
          value={email}
          readOnly
          tabIndex={-1}
          aria-hidden="true"
        />
        <PasswordField
          label="Current password"
          autoComplete="current-password"
          required
          value={currentPassword}
          error={wrong ? "This password is not right." : errorOf("/currentPassword")}
          onChange={(event) => setCurrent(event.target.value)}
        />
        <PasswordField
          label="New password"
          autoComplete="new-password"
          required
          value={newPassword}
          error={errorOf("/newPassword")}
          onChange={(event) => setNew(event.target.value)}
        />
        <div>
          <Button variant="primary" type="submit" busy={busy} disabled={left > 0 || demo}>
            Change the password
          </Button>
        </div>
      </form>
    </Section>
  );
}

/** Like "Firefox on Linux", or the whole text if it is unknown. */
export function deviceName(userAgent: string | null): string {
  if (!userAgent) return "Unknown program";
  const browser = [
    ["Edg/", "Edge"],
    ["OPR/", "Opera"],
    ["Firefox/", "Firefox"],
    ["HeadlessChrome/", "Chrome"],
    ["Chrome/", "Chrome"],
    ["Safari/", "Safari"],
  ].find(([mark]) => mark && userAgent.includes(mark))?.[1];
  const system = [
    ["iPhone", "iPhone"],
    ["iPad", "iPad"],
    ["Android", "Android"],
    ["Windows", "Windows"],
    ["Mac OS X", "macOS"],
    ["CrOS", "ChromeOS"],
    ["Linux", "Linux"],
  ].find(([mark]) => mark && userAgent.includes(mark))?.[1];
  return browser && system ? `${browser} on ${system}` : userAgent.slice(0, 80);
}

function DevicesSection() {
  const client = useQueryClient();
  const { data, error, isPending, refetch } = useQuery(loginsQuery);
  const [confirming, setConfirming] = useState(false);
  const logoutEverywhere = useAuth((state) => state.logoutEverywhere);
  const endAll = useSubmit(logoutEverywhere);
  return (
    <Section
      title="Devices"
      lead="Where you are signed in. Sign out what you do not recognise, and change your password."
    >
      {isPending ? (
        <Loading rows={2} label="Loading the devices" />
      ) : !data ? (
        <Failure error={error} onRetry={() => void refetch()} />
      ) : (
        <ul className="list">
          {data.logins.map((login) => (
            <Device key={login.id} login={login} onEnded={() => void client.invalidateQueries(loginsQuery)} />
          ))}
        </ul>
      )}
      <div>
        <Button variant="warning" onClick={() => setConfirming(true)}>
          Sign out everywhere
        </Button>
      </div>
      <Confirm
        open={confirming}
        onClose={() => setConfirming(false)}
        title="Sign out everywhere?"
        description="All devices are signed out, this one included. Personal access tokens keep working."
        action="Sign out everywhere"
        destructive
        busy={endAll.busy}
        error={endAll.error}
        onConfirm={() => void endAll.submit()}
      />
    </Section>
  );
}

function Device({ login, onEnded }: { login: components["schemas"]["Login"]; onEnded: () => void }) {
  const { busy, error, submit } = useSubmit(
    async () => {
      try {
        await api.DELETE("/auth/logins/{id}", { params: { path: { id: login.id } } });
      } catch (error) {
        // It has ended already.
        if (!hasCode(error, "NOT_FOUND")) throw error;
      }
    },
    { onDone: onEnded },
  );
  const name = deviceName(login.userAgent);
  const Icon = /iPhone|iPad|Android/.test(login.userAgent ?? "") ? Smartphone : Laptop;
  return (
    <li>
      <div className="item">
        <Icon className="icon" aria-hidden="true" />
        <div className="item-main">
          <span className="row">
            <strong>{name}</strong>
            {login.current && (
              <span className="badge" data-tone="good">
                This device
              </span>
            )}
          </span>
          <span className="muted small">
            {login.ip && <code>{login.ip}</code>} · used <Since time={login.lastUsedAt} /> · signed in{" "}
            <Since time={login.createdAt} />
          </span>
        </div>
        {!login.current && (
          <Button size="small" busy={busy} aria-label={`Sign out ${name}`} onClick={() => void submit()}>
            Sign out
          </Button>
        )}
      </div>
      <ErrorNotice error={error} />
    </li>
  );
}

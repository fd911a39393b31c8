import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Link } from "react-router";

import { dataOf } from "../api/index.ts";
import { api, useAuth } from "../stores/auth-store.ts";
import { localStore } from "../stores/storage.ts";
import { Button } from "../ui/button.tsx";
import { explain, Notice } from "../ui/states.tsx";
import { When } from "../ui/time.tsx";
import { toast } from "../ui/toast.tsx";
import { accountQuery } from "./queries.ts";

/** A clock that is wrong by less than this many milliseconds is not worth a message. */
const TOLERANCE = 5 * 60_000;

export function useOnline(): boolean {
  const [online, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const update = () => setOnline(navigator.onLine);
    window.addEventListener("online", update);
    window.addEventListener("offline", update);
    return () => {
      window.removeEventListener("online", update);
      window.removeEventListener("offline", update);
    };
  }, []);
  return online;
}

/** What the user should know on every page. */
export function Banners() {
  const online = useOnline();
  const demo = useAuth((state) => state.demo);
  const offset = useAuth((state) => state.clockOffset);
  const logout = useAuth((state) => state.logout);
  const { data } = useQuery(accountQuery);
  const account = data?.value;
  return (
    <div className="banners">
      {demo && (
        <Notice tone="warn" title="Demo" role="status">
          <div>
            Sample data in this tab: nothing is sent or saved.{" "}
            <button type="button" className="link" onClick={() => void logout()}>
              Leave the demo
            </button>
          </div>
        </Notice>
      )}
      {!online && !demo && (
        <Notice tone="warn" title="You are offline" role="status">
          <div>What you see may be old. The page continues when the network is back.</div>
        </Notice>
      )}
      {Math.abs(offset) > TOLERANCE && (
        <Notice tone="warn" title="This computer's clock is wrong">
          <div>
            It is {clockText(offset)}. Times on these pages follow the server's clock. Set the clock in the system's
            settings.
          </div>
        </Notice>
      )}
      {!localStore.works() && !demo && (
        <Notice tone="warn" title="The browser keeps no data for this site">
          <div>Its storage is blocked or full. Everything works, but a reload may sign you out.</div>
        </Notice>
      )}
      {account?.deletesAt && (
        <Notice tone="bad" title="This account is going to be deleted">
          <div>
            It ends on <When time={account.deletesAt} />. <Link to="/app/account/data">Keep the account</Link>
          </div>
        </Notice>
      )}
      {account && !account.emailVerified && !account.emailSuppressed && <Unverified email={account.email} />}
      {account?.emailSuppressed && (
        <Notice tone="warn" title="Emails do not reach you">
          <div>
            Emails to {account.email} came back. <Link to="/app/account">Change the address</Link>, or ask the operator.
          </div>
        </Notice>
      )}
    </div>
  );
}

function clockText(offset: number): string {
  const minutes = Math.round(Math.abs(offset) / 60_000);
  const amount = minutes < 90 ? `${minutes} minutes` : `${Math.round(minutes / 60)} hours`;
  return `${amount} ${offset > 0 ? "behind" : "ahead"}`;
}

function Unverified({ email }: { email: string }) {
  const [busy, setBusy] = useState(false);
  const send = async () => {
    setBusy(true);
    try {
      await dataOf(api.POST("/auth/email/verification"));
      toast(`Sent an email to ${email}.`);
    } catch (error) {
      const { title, text } = explain(error);
      toast(typeof text === "string" ? text : title, { tone: "bad" });
    }
    setBusy(false);
  };
  return (
    <Notice title="Verify your email">
      <div className="row">
        <span>Open the link in the email to {email}.</span>
        <Button size="small" busy={busy} onClick={() => void send()}>
          Send it again
        </Button>
      </div>
    </Notice>
  );
}

import { useState } from "react";
import { Link } from "react-router";

import { dataOf, hasCode } from "../api/index.ts";
import { useMailToken } from "../app/mail-token.ts";
import { useSubmit } from "../app/use-submit.ts";
import { api } from "../stores/auth-store.ts";
import { Button, ButtonLink } from "../ui/button.tsx";
import { ErrorNotice, Notice, useCountdown } from "../ui/states.tsx";
import { AuthLayout } from "./auth-layout.tsx";
import { SpentLink } from "./recover.tsx";

type Kind = "verify" | "confirm" | "undo";

const WORDS: Record<
  Kind,
  { title: string; lead: string; action: string; done: string; after: string; use: (token: string) => Promise<unknown> }
> = {
  verify: {
    title: "Verify your email",
    lead: "One click confirms that you read the emails to this address.",
    action: "Verify the email",
    done: "Your email is verified",
    after: "You can close this page, or continue here.",
    use: (token) => dataOf(api.POST("/auth/email/verify", { body: { token } })),
  },
  confirm: {
    title: "Confirm your new email",
    lead: "From now on, you sign in with this address.",
    action: "Use this email",
    done: "Your email has changed",
    after: "The old address was informed, and can undo the change for seven days.",
    use: (token) => dataOf(api.POST("/auth/email/confirm", { body: { token } })),
  },
  undo: {
    title: "Keep your old email",
    lead:
      "Use this if you did not change the email yourself. All devices are signed out, personal access tokens are " +
      "revoked, and you choose a new password.",
    action: "Undo the change",
    done: "Your old email is back",
    after: "All devices are signed out. Follow the link in the next email to choose a new password.",
    use: (token) => dataOf(api.POST("/auth/email/undo", { body: { token } })),
  },
};

/** The pages that links of emails open. A click uses the token, because mail scanners open every link. */
export default function MailLink({ kind }: { kind: Kind }) {
  const token = useMailToken();
  const words = WORDS[kind];
  const [done, setDone] = useState(false);
  const { busy, error, submit } = useSubmit(() => words.use(token ?? ""), { onDone: () => setDone(true) });
  const left = useCountdown(error);
  if (done) {
    return (
      <AuthLayout title={words.done} lead={words.after}>
        <ButtonLink variant="primary" wide to="/app/sessions">
          Continue
        </ButtonLink>
      </AuthLayout>
    );
  }
  return (
    <AuthLayout title={words.title} lead={words.lead} footer={<Link to="/app/sessions">To the application</Link>}>
      {hasCode(error, "NOT_FOUND") ? <SpentLink /> : <ErrorNotice error={error} />}
      {token ? (
        <Button variant="primary" wide busy={busy} disabled={left > 0} onClick={() => void submit()}>
          {words.action}
        </Button>
      ) : (
        <Notice tone="bad" title="The link is incomplete" role="alert">
          <div>Open it from the email again, or copy all of it into the address bar.</div>
        </Notice>
      )}
    </AuthLayout>
  );
}

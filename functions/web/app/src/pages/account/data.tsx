import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Download, Package } from "lucide-react";
import { useState } from "react";

import { ApiProblem, type components, dataOf, hasCode } from "../../api/index.ts";
import { accountQuery, exportsQuery } from "../../app/queries.ts";
import { bytesText } from "../../app/quotas.ts";
import { useSubmit } from "../../app/use-submit.ts";
import { api, apiOrigin, useAuth } from "../../stores/auth-store.ts";
import { Button } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { PasswordField } from "../../ui/field.tsx";
import { ErrorNotice, Failure, Loading, Notice, useCountdown } from "../../ui/states.tsx";
import { When } from "../../ui/time.tsx";
import { toast } from "../../ui/toast.tsx";
import { Section } from "./section.tsx";

type Export = components["schemas"]["Export"];

export default function Data() {
  return (
    <>
      <ExportSection />
      <DeletionSection />
    </>
  );
}

/** How often the page asks whether an export is ready, in milliseconds. */
const POLL = 2000;

function ExportSection() {
  const client = useQueryClient();
  const [link, setLink] = useState("");
  const { data, error, isPending, refetch } = useQuery({
    ...exportsQuery,
    refetchInterval: ({ state }) => (state.data?.exports[0]?.state === "preparing" ? POLL : false),
  });
  const request = useSubmit(
    async () => {
      const made = await dataOf(api.POST("/users/me/exports"));
      // The link is in this response only.
      if (made.downloadUrl) setLink((await apiOrigin()) + made.downloadUrl);
      return made;
    },
    { onDone: (made) => client.setQueryData(exportsQuery.queryKey, { exports: [made] }) },
  );
  const newest = data?.exports[0];
  return (
    <Section title="Export" lead="Everything that is stored about you and your tenant, as of one instant.">
      {isPending ? (
        <Loading rows={1} label="Loading the export" />
      ) : !data ? (
        <Failure error={error} onRetry={() => void refetch()} />
      ) : (
        newest && <ExportState export={newest} link={link} />
      )}
      <ErrorNotice error={request.error} />
      <div>
        <Button busy={request.busy} onClick={() => void request.submit()}>
          <Package aria-hidden="true" /> {newest && !link ? "Get a link" : "Export my data"}
        </Button>
      </div>
    </Section>
  );
}

function ExportState({ export: { state, parts, requestedAt, expiresAt }, link }: { export: Export; link: string }) {
  if (state === "tooManyParts") {
    return (
      <Notice tone="bad" title="The export failed">
        The activity is too long for one export. Ask the operator.
      </Notice>
    );
  }
  if (state === "preparing") {
    return (
      <p className="row" role="status">
        <span className="spinner" aria-hidden="true" /> The export is being prepared.
      </p>
    );
  }
  return (
    <div className="stack tight">
      <p>
        Requested <When time={requestedAt} />, available until <When time={expiresAt} />.
      </p>
      {link && (
        <ul className="list">
          {parts.map(({ bytes }, index) => (
            <li key={index} className="row between">
              <a className="row" href={`${link}?part=${index + 1}`} download>
                <Download className="icon" aria-hidden="true" />
                {parts.length > 1 ? `Part ${index + 1} of ${parts.length}` : "Download"}
              </a>
              <span className="muted small">{bytesText(bytes)}, zip</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

const CONSEQUENCES =
  "After two weeks, your account, your sessions and everything in them are removed. " +
  "Until then, you can keep the account with one click.";

function DeletionSection() {
  const client = useQueryClient();
  const [confirming, setConfirming] = useState(false);
  const { data, error, isPending, refetch } = useQuery(accountQuery);
  const deletesAt = data?.value.deletesAt;
  const refresh = () => void client.invalidateQueries(accountQuery);
  const cancel = useSubmit(() => api.DELETE("/users/me/deletion"), {
    onDone: () => {
      toast("The account stays.");
      refresh();
    },
  });
  return (
    <Section title="Delete the account" lead="You have two weeks to change your mind. Then everything is removed.">
      {isPending ? (
        <Loading rows={1} label="Loading the account" />
      ) : !data ? (
        <Failure error={error} onRetry={() => void refetch()} />
      ) : deletesAt ? (
        <>
          <p>
            The account and all of its data are deleted on{" "}
            <strong>
              <When time={deletesAt} />
            </strong>
            .
          </p>
          <ErrorNotice error={cancel.error} />
          <div>
            <Button variant="primary" busy={cancel.busy} onClick={() => void cancel.submit()}>
              Keep the account
            </Button>
          </div>
        </>
      ) : (
        <div>
          <Button variant="warning" onClick={() => setConfirming(true)}>
            Delete the account
          </Button>
        </div>
      )}
      <Dialog
        open={confirming}
        onClose={() => setConfirming(false)}
        title="Delete the account?"
        description={CONSEQUENCES}
      >
        <ScheduleDeletion
          onClose={() => setConfirming(false)}
          onScheduled={() => {
            setConfirming(false);
            refresh();
          }}
        />
      </Dialog>
    </Section>
  );
}

function ScheduleDeletion({ onClose, onScheduled }: { onClose: () => void; onScheduled: () => void }) {
  const email = useAuth((state) => state.user?.email ?? "");
  const [password, setPassword] = useState("");
  const { busy, error, errorOf, submit, form } = useSubmit(
    () => dataOf(api.POST("/users/me/deletion", { body: { password } })),
    { fields: { "/password": "The password" }, onDone: onScheduled },
  );
  const left = useCountdown(error);
  const wrong = hasCode(error, "INVALID_CREDENTIALS");
  return (
    <form className="stack" ref={form} onSubmit={submit} noValidate>
      {!wrong && <ErrorNotice error={error} />}
      {error instanceof ApiProblem && error.organizations && (
        <ul>
          {error.organizations.map(({ id, name }) => (
            <li key={id}>{name}</li>
          ))}
        </ul>
      )}
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
        label="Password"
        autoComplete="current-password"
        required
        autoFocus
        value={password}
        error={wrong ? "This password is not right." : errorOf("/password")}
        onChange={(event) => setPassword(event.target.value)}
      />
      <div className="dialog-actions">
        <Button variant="quiet" onClick={onClose}>
          Cancel
        </Button>
        <Button variant="danger" type="submit" busy={busy} disabled={left > 0}>
          Delete the account
        </Button>
      </div>
    </form>
  );
}

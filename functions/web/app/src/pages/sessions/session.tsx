import { useQuery, useQueryClient } from "@tanstack/react-query";
import { ArrowLeft, PenLine, SearchX, Trash2 } from "lucide-react";
import { Suspense, useEffect, useRef, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";

import { hasCode } from "../../api/index.ts";
import { lazyPage } from "../../app/page-boundary.tsx";
import { sessionQuery } from "../../app/queries.ts";
import { useTitle } from "../../app/title.ts";
import { apiOrigin, useAuth } from "../../stores/auth-store.ts";
import { Button, ButtonLink } from "../../ui/button.tsx";
import { CopyButton, Glyph } from "../../ui/marks.tsx";
import { Empty, Failure, Loading } from "../../ui/states.tsx";
import { Since, When } from "../../ui/time.tsx";
import { deleteWithUndo } from "./delete.ts";
import { RenameSession } from "./rename.tsx";

const Workbench = lazyPage(() => import("../workbench/workbench.tsx"));

export default function SessionPage() {
  const { id = "" } = useParams();
  const [renaming, setRenaming] = useState(false);
  const rename = useRef<HTMLButtonElement>(null);
  const canWrite = useAuth((state) => state.tenant?.role !== "viewer");
  const email = useAuth((state) => state.user?.email);
  const client = useQueryClient();
  const navigate = useNavigate();
  const { data, error, isPending, refetch } = useQuery(sessionQuery(id));
  useTitle(data?.value.name ?? "Session");
  if (isPending) return <Loading rows={3} label="Loading the session" />;
  if (hasCode(error, "NOT_FOUND", "VALIDATION_FAILED")) {
    return (
      <Empty icon={<SearchX className="icon" aria-hidden="true" />} title="You cannot see this session" page>
        <p>
          It was deleted, or it belongs to somebody else. You are signed in as {email}. If the link came from another
          person, ask them which account it needs.
        </p>
        <ButtonLink to="/app/sessions">To your sessions</ButtonLink>
      </Empty>
    );
  }
  if (!data) return <Failure error={error} onRetry={() => void refetch()} />;
  const session = data.value;
  const endRename = () => {
    setRenaming(false);
    // The keyboard continues where the renaming began.
    requestAnimationFrame(() => rename.current?.focus());
  };
  const remove = () => {
    deleteWithUndo(session, () => void client.invalidateQueries({ queryKey: ["sessions"] }));
    void navigate("/app/sessions");
  };
  return (
    <>
      <Link className="back small" to="/app/sessions">
        <ArrowLeft className="icon" aria-hidden="true" /> Sessions
      </Link>
      <div className="session-head">
        <Glyph id={session.id} />
        {renaming ? (
          <RenameSession session={session} onDone={endRename} />
        ) : (
          <h1 className="truncate">{session.name}</h1>
        )}
        {canWrite && !renaming && (
          <div className="row">
            <Button size="small" ref={rename} onClick={() => setRenaming(true)}>
              <PenLine aria-hidden="true" /> Rename
            </Button>
            <Button size="small" variant="warning" onClick={remove}>
              <Trash2 aria-hidden="true" /> Delete
            </Button>
          </div>
        )}
      </div>
      <Suspense fallback={<Loading rows={6} label="Loading the files" />}>
        <Workbench key={session.id} session={session.id} />
      </Suspense>
      <dl className="card facts">
        <div>
          <dt>Working folder</dt>
          <dd>
            <code>{session.workspacePath}</code> <CopyButton text={session.workspacePath} what="the folder" />
          </dd>
        </div>
        <div>
          <dt>Id</dt>
          <dd>
            <code>{session.id}</code> <CopyButton text={session.id} what="the id" />
          </dd>
        </div>
        <div>
          <dt>Created</dt>
          <dd>
            <When time={session.createdAt} />
          </dd>
        </div>
        <div>
          <dt>Changed</dt>
          <dd>
            <Since time={session.updatedAt} />
          </dd>
        </div>
      </dl>
      <Program id={session.id} />
    </>
  );
}

/** How a program reads this session. */
function Program({ id }: { id: string }) {
  const [origin, setOrigin] = useState("https://api.coditect.ai");
  const demo = useAuth((state) => state.demo);
  useEffect(() => {
    if (!demo) void apiOrigin().then(setOrigin, () => undefined);
  }, [demo]);
  const command = `curl ${origin}/v5/sessions/${id} -H "Authorization: Bearer $CODITECT_TOKEN"`;
  return (
    <section className="stack tight" aria-labelledby="program">
      <h2 id="program">From a program</h2>
      <p className="muted small">
        With a <Link to="/app/account/tokens">personal access token</Link> that may read sessions:
      </p>
      <div className="secret">
        <code>{command}</code>
        <CopyButton text={command} what="the command" />
      </div>
    </section>
  );
}

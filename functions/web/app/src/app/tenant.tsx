import { useQuery } from "@tanstack/react-query";
import { Building2 } from "lucide-react";
import { Fragment, useEffect, useMemo, useState } from "react";
import { Navigate, Outlet, useLocation, useParams } from "react-router";

import { Drafts, type OpenFile } from "../pages/workbench/drafts.ts";
import { api, apiIn, useAuth } from "../stores/auth-store.ts";
import { tabStore } from "../stores/storage.ts";
import { ButtonLink } from "../ui/button.tsx";
import { CopyButton } from "../ui/marks.tsx";
import { Empty, Failure, Loading, Notice } from "../ui/states.tsx";
import { organizationBase } from "./place.ts";
import { type Organization, organizationsQuery } from "./queries.ts";
import { type PageTenant, TenantContext } from "./tenant-context.ts";
import { useTitle } from "./title.ts";

/** The pages of the user's own tenant. */
export function OwnTenant() {
  const own = useAuth((state) => state.tenant);
  const tenant = useMemo(
    (): PageTenant | null =>
      own && { id: own.id, name: own.name, role: own.role, isOrganization: false, base: "/app", api },
    [own],
  );
  return (
    <TenantContext value={tenant}>
      <Outlet />
    </TenantContext>
  );
}

/** The pages of the organisation that the address names. */
export function OrganizationTenant() {
  const { tenant: id = "" } = useParams();
  const own = useAuth((state) => state.tenant?.id);
  const { pathname, search } = useLocation();
  const { data, error, refetch } = useQuery(organizationsQuery);
  const found = data?.organizations.find((organization) => organization.id === id);
  /** The organisation when this page last saw it, or null if it is not one of the user's. */
  const [seen, setSeen] = useState<Organization | null>();
  const { name, role } = found ?? {};

  useEffect(() => {
    if (found) setSeen(found);
  }, [found]);
  // Another tab may have joined it since the list was read.
  const isUnknown = data !== undefined && !found && seen?.id !== id;
  useEffect(() => {
    if (isUnknown) void refetch().then(() => setSeen((seen) => (seen?.id === id ? seen : null)));
  }, [isUnknown, id, refetch]);

  const tenant = useMemo(
    (): PageTenant | null =>
      name !== undefined && role !== undefined
        ? { id, name, role, isOrganization: true, base: organizationBase(id), api: apiIn(id) }
        : null,
    [id, name, role],
  );
  if (id === own) return <Navigate to={`/app${pathname.slice(organizationBase(id).length)}${search}`} replace />;
  if (tenant) {
    return (
      <TenantContext value={tenant}>
        <Fragment key={id}>
          <Outlet />
        </Fragment>
      </TenantContext>
    );
  }
  if (error) return <Failure error={error} onRetry={() => void refetch()} />;
  const session = /^\/sessions\/([^/]+)/.exec(pathname.slice(organizationBase(id).length))?.[1];
  if (data && seen?.id === id) return <Ended name={seen.name} session={session} />;
  if (data && seen === null) return <Ended session={session} />;
  return <Loading rows={3} label="Loading the organisation" />;
}

/** The organisation is not one of the user's, or not any more. */
function Ended({ name, session }: { name?: string; session: string | undefined }) {
  const email = useAuth((state) => state.user?.email);
  useTitle("Organisation");
  return (
    <Empty
      icon={<Building2 className="icon" aria-hidden="true" />}
      title={name ? `You are not a member of “${name}” any more` : "You cannot see this organisation"}
      page
    >
      <p role="alert">
        {name
          ? "You left it, somebody removed you, or it was deleted. To come back, ask one of its owners to invite you."
          : `It was deleted, or you are not a member. You are signed in as ${email}; another account may see it.`}
      </p>
      {session !== undefined && <Unsaved key={session} session={session} />}
      <ButtonLink to="/app/sessions">To your own sessions</ButtonLink>
    </Empty>
  );
}

/** Offers the changes that were not saved when the access ended: the editor is gone, and the user cannot save them. */
function Unsaved({ session }: { session: string }) {
  const user = useAuth((state) => state.user?.id ?? "");
  const [files, setFiles] = useState<OpenFile[]>([]);
  // The editor has kept its changes when it left the page, which is before this effect.
  useEffect(() => setFiles(new Drafts(tabStore, user, session).load().files), [user, session]);
  return <UnsavedTexts files={files} />;
}

export function UnsavedTexts({ files }: { files: readonly OpenFile[] }) {
  const changed = files.flatMap(({ path, draft }) => (draft ? [{ path, text: draft.text }] : []));
  if (changed.length === 0) return null;
  return (
    <Notice tone="warn" title="Your changes of these files were not saved" role="status">
      <div>Copy what you need. The texts end with this tab.</div>
      <ul className="list">
        {changed.map(({ path, text }) => (
          <li key={path}>
            <div className="item">
              <code className="item-main truncate">{path}</code>
              <CopyButton text={text} what={`your text of ${path}`} />
            </div>
          </li>
        ))}
      </ul>
    </Notice>
  );
}

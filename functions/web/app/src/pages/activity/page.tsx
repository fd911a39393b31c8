import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { ChevronDown, RefreshCw, ScrollText } from "lucide-react";
import { type ReactNode, useEffect } from "react";
import { Link, useSearchParams } from "react-router";

import { dataOf, EVENT_TYPES, hasCode } from "../../api/index.ts";
import { api } from "../../stores/auth-store.ts";
import { Button } from "../../ui/button.tsx";
import { SelectField } from "../../ui/field.tsx";
import { Empty, ErrorNotice, Failure, Loading } from "../../ui/states.tsx";
import { clockOf, dayOf, When } from "../../ui/time.tsx";
import { PageHead } from "../page-head.tsx";
import { type AuditEvent, detailOf, groupedTypes, labelOf, toneOf } from "./sentences.ts";

type EventType = (typeof EVENT_TYPES)[number];

const ENOUGH = 10;
const PATIENCE = 5;

export default function ActivityPage() {
  const [params, setParams] = useSearchParams();
  const type = EVENT_TYPES.find((known) => known === params.get("type"));
  const {
    data,
    error,
    isPending,
    isRefetching,
    refetch,
    fetchNextPage,
    hasNextPage,
    isFetchingNextPage,
    isFetchNextPageError,
  } = useInfiniteQuery({
    queryKey: ["audit", type ?? ""],
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) =>
      dataOf(
        api.GET("/audit", {
          params: {
            query: {
              order: "desc",
              limit: 50,
              ...(type && { type: type satisfies EventType }),
              ...(pageParam && { cursor: pageParam }),
            },
          },
          signal,
        }),
      ),
    getNextPageParam: ({ nextCursor }) => nextCursor ?? undefined,
  });
  const events = (data?.pages.flatMap((page): unknown[] => page.events) ?? []) as AuditEvent[];
  const pages = data?.pages.length ?? 0;
  const readsOn = hasNextPage && !error && events.length < ENOUGH && pages < PATIENCE;
  useEffect(() => {
    if (readsOn && !isFetchingNextPage) void fetchNextPage();
  }, [readsOn, isFetchingNextPage, fetchNextPage]);

  const names = useSessionNames();
  const days = new Map<string, AuditEvent[]>();
  for (const event of events) days.set(dayOf(event.at), [...(days.get(dayOf(event.at)) ?? []), event]);

  return (
    <>
      <PageHead title="Activity" lead="Everything that happened in this tenant, newest first.">
        <Button busy={isRefetching && !isFetchingNextPage} onClick={() => void refetch()}>
          <RefreshCw aria-hidden="true" /> Refresh
        </Button>
      </PageHead>
      <div className="filter">
        <SelectField
          label="Show"
          value={type ?? ""}
          onChange={(event) => setParams(event.target.value ? { type: event.target.value } : {}, { replace: true })}
        >
          <option value="">All activity</option>
          {groupedTypes(EVENT_TYPES).map(([group, types]) => (
            <optgroup key={group} label={group}>
              {types.map((type) => (
                <option key={type} value={type}>
                  {labelOf(type)}
                </option>
              ))}
            </optgroup>
          ))}
        </SelectField>
      </div>
      {isPending || (readsOn && events.length === 0) ? (
        <div className="card">
          <Loading rows={6} label="Loading the activity" />
        </div>
      ) : hasCode(error, "FORBIDDEN") && !data ? (
        <Empty icon={<ScrollText className="icon" aria-hidden="true" />} title="Only owners see the activity">
          <p>Your role in this tenant does not allow it. Ask an owner.</p>
        </Empty>
      ) : error && !data ? (
        <Failure error={error} onRetry={() => void refetch()} />
      ) : events.length === 0 ? (
        <div className="card">
          <Empty icon={<ScrollText className="icon" aria-hidden="true" />} title="Nothing of this kind happened">
            <p>{hasNextPage ? "The newest events were searched so far." : "Choose another kind of activity."}</p>
          </Empty>
        </div>
      ) : (
        [...days].map(([day, list]) => (
          <section key={day} className="day" aria-label={day}>
            <h2 className="day-name">{day}</h2>
            <ol className="card events">
              {list.map((event) => (
                <EventRow key={event.id} event={event} names={names} />
              ))}
            </ol>
          </section>
        ))
      )}
      {error && data ? (
        <ErrorNotice error={error} onRetry={() => void (isFetchNextPageError ? fetchNextPage() : refetch())} />
      ) : null}
      {hasNextPage && !readsOn && !error && (
        <div className="more">
          <Button busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            Show older
          </Button>
        </div>
      )}
    </>
  );
}

/** The names of the newest sessions, by id. Without them, events name their session by its id only. */
function useSessionNames(): ReadonlyMap<string, string> {
  const { data } = useQuery({
    queryKey: ["session-names"],
    queryFn: ({ signal }) => dataOf(api.GET("/sessions", { params: { query: { limit: 100 } }, signal })),
  });
  return new Map(data?.sessions.map(({ id, name }) => [id, name]));
}

function EventRow({ event, names }: { event: AuditEvent; names: ReadonlyMap<string, string> }) {
  const sessionId = "sessionId" in event && typeof event.sessionId === "string" ? event.sessionId : undefined;
  const detail = [sessionId && names.get(sessionId), detailOf(event)].filter(Boolean).join(" · ");
  return (
    <li>
      <details className="event">
        <summary>
          <span className="dot" data-tone={toneOf(event.type)} aria-hidden="true" />
          <span className="event-text">
            <strong>{labelOf(event.type)}</strong>
            {detail && <span className="muted small">{detail}</span>}
          </span>
          <time className="muted small mono" dateTime={event.at}>
            {clockOf(event.at)}
          </time>
          <ChevronDown className="icon" aria-hidden="true" />
        </summary>
        <dl className="facts small">
          <Fact name="Time">
            <When time={event.at} />
          </Fact>
          {event.ip && (
            <Fact name="Address">
              <code>{event.ip}</code>
            </Fact>
          )}
          {sessionId && (
            <Fact name="Session">
              {event.type === "session.deleted" ? (
                <code>{sessionId}</code>
              ) : (
                <Link to={`/app/sessions/${sessionId}`}>{sessionId}</Link>
              )}
            </Fact>
          )}
          <Fact name="Type">
            <code>{event.type}</code>
          </Fact>
          <Fact name="Request">
            <code>{event.requestId}</code>
          </Fact>
        </dl>
      </details>
    </li>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

import { useQuery } from "@tanstack/react-query";
import { RefreshCw } from "lucide-react";

import { usageQuery } from "../app/queries.ts";
import { describeQuota } from "../app/quotas.ts";
import { useAuth } from "../stores/auth-store.ts";
import { Button } from "../ui/button.tsx";
import { Meter } from "../ui/marks.tsx";
import { ErrorNotice, Failure, Loading } from "../ui/states.tsx";
import { PageHead } from "./page-head.tsx";

export default function Usage() {
  const tenant = useAuth((state) => state.tenant);
  const { data, error, isPending, isFetching, refetch } = useQuery(usageQuery);
  return (
    <>
      <PageHead title="Usage" lead={`What ${tenant?.name ?? "this tenant"} uses of its quotas.`}>
        <Button busy={isFetching && !isPending} onClick={() => void refetch()}>
          <RefreshCw aria-hidden="true" /> Refresh
        </Button>
      </PageHead>
      {isPending ? (
        <div className="card">
          <Loading rows={4} label="Loading the usage" />
        </div>
      ) : !data ? (
        <Failure error={error} onRetry={() => void refetch()} />
      ) : (
        <>
          {error && <ErrorNotice error={error} onRetry={() => void refetch()} />}
          <ul className="quotas">
            {data.quotas.map((quota) => {
              const { label, about, amounts, advice } = describeQuota(quota.name);
              const share = quota.limit ? quota.used / quota.limit : 0;
              return (
                <li key={quota.name} className="card quota">
                  <h2>{label}</h2>
                  <p className="quota-amount">{amounts(quota)}</p>
                  {quota.limit === null ? (
                    <p className="muted small">No limit</p>
                  ) : (
                    <Meter value={share} label={`${label}: ${amounts(quota)}`} />
                  )}
                  <p className="muted small">{share >= 0.8 ? advice : about}</p>
                </li>
              );
            })}
          </ul>
        </>
      )}
    </>
  );
}

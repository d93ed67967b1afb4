// How full each provider is, with its models folded under it.
import { useMemo } from "preact/hooks";
import { compact, percent, span, words } from "../format.ts";
import { useStore } from "../state/store.ts";
import { Chevron } from "../ui/icons.tsx";
import { Provider } from "../ui/parts.tsx";
import { groups, type Group, type ModelRow } from "./groups.ts";
import { Bar, levelOf, Nothing, Panel, Table } from "./pieces.tsx";
import { LIMITS, type Lease, type LimitName, type Quota } from "./shapes.ts";
import { known } from "./state.ts";

const NAMES: Record<LimitName, string> = {
  rpm: "requests/min",
  tpm: "tokens/min",
  rpd: "requests/day",
  tpd: "tokens/day",
  characters_per_month: "characters/month",
};

export function Capacity() {
  const { quotas, health } = useStore(known);
  const shown = useMemo(() => groups(quotas ?? [], health), [quotas, health]);
  return (
    <Panel title="Capacity" class="capacity" aside={<span class="note">fullest first, marked from 80 %</span>}>
      {!quotas && <Nothing>Nothing read yet.</Nothing>}
      {quotas?.length === 0 && <Nothing>No provider with a limit is in use.</Nothing>}
      <ul>
        {shown.map((group) => (
          <li key={group.provider}>
            <ProviderRow group={group} />
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function ProviderRow(props: { group: Group }) {
  const { provider, own, models, share, pressed, health } = props.group;
  const limited = own !== undefined && Object.keys(own.limits).length > 0;
  const level = levelOf(share, Boolean(own?.closed));
  return (
    <details class="provider-row" data-level={level}>
      <summary>
        <Chevron class="turn" />
        <Provider id={provider} />
        <span class="badges">
          <Closed quota={own} />
          {level === "alert" && <span class="badge" data-level="alert">almost full</span>}
          {level === "full" && !own?.closed && <span class="badge" data-level="full">full</span>}
          {health && health.health !== "HEALTHY" && !own?.closed && (
            <span class="badge" data-health={health.health}>
              {words(health.health)}{health.cooldown > 0 && `, ${span(health.cooldown)}`}
            </span>
          )}
          {pressed > 0 && <span class="badge" data-level="alert">{pressed === 1 ? "1 model" : `${pressed} models`} full or nearly</span>}
          {own?.stale && <span class="badge" title="The store did not answer: these are the last known figures.">not current</span>}
        </span>
        <span class="fill">
          <Bar share={share} level={level} />
          <b>{percent(share)}</b>
        </span>
        <span class="figures">
          {own && limited ? (
            <Limits quota={own} />
          ) : (
            <span class="limit">{models.length === 1 ? "by its one model" : `by the fullest of its ${models.length} models`}</span>
          )}
          {own && own.held.length > 0 && <span class="limit">held by <b>{own.held.length}</b> {own.held.length === 1 ? "instance" : "instances"}</span>}
        </span>
      </summary>
      <div class="inside">
        {own && own.held.length > 0 && <Leases leases={own.held} />}
        {models.length > 0 && <Models provider={provider} rows={models} />}
        {own?.dayReset && <p class="note">{dayOf(own.dayReset)}</p>}
      </div>
    </details>
  );
}

const dayOf = (reset: string): string =>
  reset === "rolling" ? "A day's limits count the last 24 hours." : `A day's limits begin again at midnight, ${reset}.`;

function Closed(props: { quota: Quota | undefined }) {
  const closed = props.quota?.closed;
  if (!closed) return null;
  return (
    <span class="badge" data-level="full">
      closed: {words(closed.reason) || "no reason given"}{closed.remaining > 0 && `, ${span(closed.remaining)}`}
    </span>
  );
}

/** Used of each limit: `12 / 30 requests/min`. */
function Limits(props: { quota: Quota }) {
  const { limits, used } = props.quota;
  return (
    <>
      {LIMITS.map((name) => {
        const limit = limits[name];
        if (limit === undefined) return null;
        return (
          <span class="limit" key={name} data-level={levelOf(limit > 0 ? used[name] / limit : 0)}>
            <b>{compact(used[name])}</b> / {compact(limit)} {NAMES[name]}
          </span>
        );
      })}
    </>
  );
}

function Leases(props: { leases: Lease[] }) {
  return (
    <ul class="leases" aria-label="Held leases">
      {props.leases.map((lease) => (
        <li key={lease.holder}>
          <code>{lease.holder.slice(0, 12)}</code> holds{" "}
          {[
            lease.requests > 0 && `${compact(lease.requests)} requests`,
            lease.tokens > 0 && `${compact(lease.tokens)} tokens`,
            lease.characters > 0 && `${compact(lease.characters)} characters`,
          ].filter(Boolean).join(", ") || "nothing"}
          {lease.remaining > 0 && `, ${span(lease.remaining)} left`}
        </li>
      ))}
    </ul>
  );
}

function Models(props: { provider: string; rows: ModelRow[] }) {
  const columns = LIMITS.filter((name) => props.rows.some(({ quota }) => quota.limits[name] !== undefined));
  return (
    <Table label={`Models of ${props.provider}`} class="models">
      <thead>
        <tr>
          <th scope="col">Model</th>
          <th scope="col">Utilization</th>
          {columns.map((name) => <th scope="col" class="figure" key={name}>{NAMES[name]}</th>)}
          <th scope="col" class="figure">Held</th>
          <th scope="col">State</th>
        </tr>
      </thead>
      <tbody>
        {props.rows.map(({ quota, health }) => {
          const level = levelOf(quota.utilization, quota.closed !== null);
          return (
            <tr key={quota.model} data-level={level}>
              <th scope="row">{quota.model}</th>
              <td>
                <span class="fill"><Bar share={quota.utilization} level={level} /><b>{percent(quota.utilization)}</b></span>
              </td>
              {columns.map((name) => {
                const limit = quota.limits[name];
                return (
                  <td class="figure" key={name}>
                    {limit === undefined ? <span class="none-here">–</span> : <><b>{compact(quota.used[name])}</b> / {compact(limit)}</>}
                  </td>
                );
              })}
              <td class="figure">{compact(quota.held.reduce((sum, lease) => sum + lease.requests, 0))}</td>
              <td class="state">
                <Closed quota={quota} />
                {!quota.closed && health && health.health !== "HEALTHY" && (
                  <span class="badge" data-health={health.health}>
                    {words(health.health)}{health.cooldown > 0 && `, ${span(health.cooldown)}`}
                  </span>
                )}
                {!quota.closed && (!health || health.health === "HEALTHY") && <span class="open">open</span>}
              </td>
            </tr>
          );
        })}
      </tbody>
    </Table>
  );
}

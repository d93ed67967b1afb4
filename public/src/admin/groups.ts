// Providers with their models, the fullest first.
import type { Health, Quota } from "./shapes.ts";

/** Utilization from which an operator should look (R6.9). */
export const ALERT = 0.8;

export interface ModelRow {
  quota: Quota;
  health: Health | undefined;
}

export interface Group {
  provider: string;
  /** The provider's own row; missing where only models have limits. */
  own: Quota | undefined;
  models: ModelRow[];
  /** Its own utilization; its fullest model's where it has no limit of its own. */
  share: number;
  /** Models at 80 % or more, or closed. */
  pressed: number;
  health: Health | undefined;
}

export function groups(quotas: Quota[], health: Health[]): Group[] {
  const healthOf = (provider: string, model: string | null) =>
    health.find((row) => row.provider === provider && row.model === model);
  const names = [...new Set(quotas.map((quota) => quota.provider))];
  return names
    .map((provider): Group => {
      const rows = quotas.filter((quota) => quota.provider === provider);
      const models = rows
        .filter((quota) => quota.model !== null)
        .map((quota) => ({ quota, health: healthOf(provider, quota.model) }))
        .sort(
          (a, b) =>
            Number(b.quota.closed !== null) - Number(a.quota.closed !== null) ||
            b.quota.utilization - a.quota.utilization ||
            (a.quota.model ?? "").localeCompare(b.quota.model ?? ""),
        );
      const own = rows.find((quota) => quota.model === null);
      const limited = own !== undefined && Object.keys(own.limits).length > 0;
      return {
        provider,
        own,
        models,
        share: limited ? own.utilization : Math.max(0, ...models.map(({ quota }) => quota.utilization)),
        pressed: models.filter(({ quota }) => quota.utilization >= ALERT || quota.closed).length,
        health: healthOf(provider, null),
      };
    })
    .sort((a, b) => b.share - a.share || b.pressed - a.pressed || a.provider.localeCompare(b.provider));
}

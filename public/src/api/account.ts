// The user's own: API keys and preferences. Everything raises ApiError.
import { getJson, sendJson } from "./http.ts";

/** Times are Unix seconds; null: never. */
export interface ApiKey {
  id: string;
  name: string;
  prefix: string;
  created_at: number;
  last_used_at: number | null;
  expires_at: number | null;
}

const KEYS = "/v1/me/keys";

export async function listKeys(token: string): Promise<ApiKey[]> {
  return ((await getJson(KEYS, token)) as { data: ApiKey[] }).data;
}

/** A new key; `key` is the key itself, which is told this once. */
export async function createKey(
  token: string,
  body: { name?: string; expires_in_days?: number },
): Promise<ApiKey & { key: string }> {
  return (await sendJson("POST", KEYS, token, body)) as ApiKey & { key: string };
}

export async function revokeKey(token: string, id: string): Promise<void> {
  await sendJson("DELETE", `${KEYS}/${encodeURIComponent(id)}`, token);
}

export interface StoredPreferences {
  preferred_providers: string[];
  avoid_providers: string[];
  prioritize: "speed" | "quality" | null;
  language: string | null;
}

const PREFERENCES = "/v1/me/preferences";

export async function readPreferences(token: string): Promise<StoredPreferences> {
  return (await getJson(PREFERENCES, token)) as StoredPreferences;
}

export async function storePreferences(token: string, value: StoredPreferences): Promise<StoredPreferences> {
  return (await sendJson("PUT", PREFERENCES, token, value)) as StoredPreferences;
}

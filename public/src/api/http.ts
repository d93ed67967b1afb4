// JSON over HTTP to the router, with the visitor's token and errors in one form.
import { ApiError, connectionProblem, problemOf } from "./problems.ts";

/** Where the API answers: the page's own origin, or what the build was told. */
export const apiOrigin: string =
  document.querySelector<HTMLMetaElement>('meta[name="codeex-api"]')?.content || location.origin;

/** The header that says who asks; none for a visitor who is not signed in. */
export const bearer = (token: string): Record<string, string> =>
  token ? { Authorization: `Bearer ${token}` } : {};

/** One request. Raises ApiError where no answer came, AbortError when the signal fires. */
export async function send(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(`${apiOrigin}${path}`, { ...init, credentials: "omit", cache: "no-store" });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError(connectionProblem());
  }
}

/** GET a JSON document. Raises ApiError. */
export function getJson(path: string, token: string, signal?: AbortSignal): Promise<unknown> {
  return read(send(path, { headers: bearer(token), signal }));
}

/** Sends a JSON document (or none) and reads the JSON answer. Raises ApiError. */
export function sendJson(
  method: "POST" | "PUT" | "PATCH" | "DELETE",
  path: string,
  token: string,
  body?: unknown,
): Promise<unknown> {
  const headers = { ...bearer(token), ...(body !== undefined && { "Content-Type": "application/json" }) };
  return read(send(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) }));
}

async function read(sent: Promise<Response>): Promise<unknown> {
  const response = await sent;
  if (!response.ok) throw new ApiError(await problemOf(response));
  try {
    return (await response.json()) as unknown;
  } catch {
    throw new ApiError({ code: "broken_answer", message: "The server's answer could not be read." });
  }
}

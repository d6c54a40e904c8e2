/**
 * A typed client made from the server's OpenAPI document. It shows what the document promises a TypeScript
 * program; compiling it checks that the document keeps it: names, dialects, errors and the multipart body.
 */
import createClient from "openapi-fetch";
import type { components, paths } from "./layerwatch.js";

type Verdict = components["schemas"]["ProcessAnswer1"] | components["schemas"]["ProcessAnswer2"];
type Refusal = components["schemas"]["Error"];
export type FeedbackBody = components["schemas"]["Feedback"];
export type Feedback = FeedbackBody["Kind"];

export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly type: Refusal["ErrorType"],
    details: string,
    readonly retryAfter: number | null,
  ) {
    super(`${type} (${status}): ${details}`);
  }

  /** The one refusal that asks for a new context. */
  get contextLost(): boolean {
    return (
      this.status === 500 &&
      this.type === "OE_INTERNAL_ERROR" &&
      this.message.endsWith(": Failed to get context object.")
    );
  }
}

/** Seconds to wait before the next picture, in either dialect. */
export function secondsToWait(verdict: Verdict): number {
  const interval = verdict.NextProcessIntervalSec;
  return typeof interval === "number" ? interval : interval.Recommended;
}

export function layerwatch(baseUrl: string, apiKey: string) {
  const client = createClient<paths>({ baseUrl, headers: { "X-API-Key": apiKey } });

  function answered<T>(result: { data?: T; error?: Refusal; response: Response }): T {
    if (result.data !== undefined) return result.data;
    const retryAfter = result.response.headers.get("Retry-After");
    throw new Refused(
      result.response.status,
      result.error?.ErrorType ?? "OE_INTERNAL_ERROR",
      result.error?.ErrorDetails ?? "not an answer of the service",
      retryAfter === null ? null : Number(retryAfter),
    );
  }

  return {
    /** Open one print's context. Free. Everything is optional: `{}` is a print without names at the usual levels. */
    async open(body: components["schemas"]["CreateContext"] = {}) {
      return answered(await client.POST("/api/gadget/v1/createcontext", { body }));
    },

    /** Have one picture judged; repeat with the same key when no answer came. */
    async inspect(contextId: string, jpeg: Blob, key: string = crypto.randomUUID()): Promise<Verdict> {
      const form = new FormData();
      form.set("image", jpeg, "frame.jpg");
      return answered(
        await client.POST("/api/gadget/v1/process/{context_id}", {
          params: {
            path: { context_id: contextId },
            query: { detail: "1" },
            header: { "Idempotency-Key": key, "X-API-Version": "2" },
          },
          body: { image: "" }, // the document's form; the real one is made below
          bodySerializer: () => form,
        }),
      );
    },

    /** The account's current month: calls, allowance left, price tier, spend. Free. */
    async usage() {
      return answered(await client.GET("/api/gadget/v1/usage"));
    },

    /** Send what a person says of the print. Free. */
    async feedback(contextId: string, kind: Feedback, details: Omit<FeedbackBody, "Kind"> = {}) {
      return answered(
        await client.POST("/api/gadget/v1/feedback/{context_id}", {
          params: { path: { context_id: contextId } },
          body: { ...details, Kind: kind },
        }),
      );
    },
  };
}

/**
 * The published npm client, unmodified, with an API key; every answer that it gets is held against the shape that its maker
 * publishes for it, where there is one.
 */
import { VertesiaClient } from "@vertesia/client";
import { validateApiResponse } from "@vertesia/common/api-contract";

type Component = Parameters<typeof validateApiResponse>[0];

/** Of requests without their query. Training sessions have no published component. */
const SHAPES: readonly (readonly [RegExp, Component])[] = [
  [/^POST \/token\/issue$/, "IssueTokenResponse"],
  [/^GET \/api\/v1\/environments$/, "ExecutionEnvironmentArray"],
  [/^GET \/api\/v1\/environments\/\w+\/(models|trainable-models)$/, "AIModelArray"],
  [/^(POST|GET|PUT|DELETE) \/api\/v1\/environments(\/.+)?$/, "ExecutionEnvironment"],
  [/^GET \/api\/v1\/projects$/, "ProjectRefArray"],
  [/^(POST|GET|PUT) \/api\/v1\/projects(\/[\w-]+)?$/, "Project"],
  [/^PUT \/api\/v1\/projects\/[\w-]+\/configuration$/, "ProjectConfiguration"],
  [/^DELETE \/api\/v1\/projects\/[\w-]+$/, "DeleteByIdResult"],
  [/^(GET \/api\/v1\/runs|POST \/api\/v1\/runs\/search|GET \/api\/v1\/training\/\w+\/runs)$/, "ExecutionRunRefArray"],
  [/^POST \/api\/v1\/runs\/find$/, "FindRunResultArray"],
  [/^POST \/api\/v1\/runs\/facets$/, "ComputeRunFacetsResponse"],
  [/^POST \/api\/v1\/runs\/clone$/, "ExecutionRunDocRef"],
  [/^GET \/api\/v1\/runs\/\w+$/, "ExecutionRun"],
];

export interface WatchedClient {
  client: VertesiaClient;
  /** Of each answer that was not of its maker's shape: the request, and what is wrong. */
  faults: string[];
  /** How many answers had a shape to be held against. */
  checked(): number;
}

export function vertesiaClient(url: string, apiKey: string): WatchedClient {
  const faults: string[] = [];
  let checked = 0;
  const watched: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    const response = await fetch(request);
    const { pathname, search } = new URL(request.url);
    const called = `${request.method} ${pathname}`;
    const shape = SHAPES.find(([pattern]) => pattern.test(called))?.[1];
    // A populated run has no published component of its own.
    if (response.ok && shape !== undefined && !search.includes("populate")) {
      checked += 1;
      const found = validateApiResponse(shape, await response.clone().json());
      if (!found.valid) faults.push(`${called}: ${found.errors.join("; ")}`);
    }
    return response;
  };
  const client = new VertesiaClient({
    serverUrl: url,
    storeUrl: url,
    tokenServerUrl: url,
    apikey: apiKey,
    fetch: watched,
  });
  return { client, faults, checked: () => checked };
}

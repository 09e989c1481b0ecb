import { invalid } from "../../../domain/errors";
import { defineRoute } from "../../../http/define-route";
import { searchFilter } from "../run-filters";
import { facetsAnswer, facetsBody } from "../run-schema";

export const computeRunFacetsRoute = defineRoute({
  operationId: "vertesia.computeRunFacets",
  method: "post",
  path: "/api/v1/runs/facets",
  summary: "Count the project's runs by their fields",
  tags: ["Runs"],
  scope: "read",
  body: facetsBody,
  answer: { description: "The hundred most frequent values of each, and the number of runs.", schema: facetsAnswer },
  handler: async ({ services, principal, body }) => {
    const fields = body.facets.map(({ field }) => field);
    if (new Set(fields).size < fields.length) throw invalid("facets", "names one of them twice");
    const { total, buckets } = await services.runFacets(principal, searchFilter(body.query), fields);
    const named = body.facets.map(({ name, field }) => [
      name,
      (buckets.get(field) ?? []).map(({ value, count }) => ({ _id: value, count })),
    ]);
    return { ...(Object.fromEntries(named) as object), total };
  },
});

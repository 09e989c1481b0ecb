import { invalid } from "../../../domain/errors";
import { parseId } from "../../../domain/ids";
import { defineRoute } from "../../../http/define-route";
import { fromJobSummary, fromPage } from "../map";
import { jobSummary, listJobsQuery, listOf, PREFIX } from "../schema";

export const listJobsRoute = defineRoute({
  operationId: "anneal.listJobs",
  method: "get",
  path: "/anneal/v1/jobs",
  summary: "List the account's jobs, made through whichever API",
  tags: ["Jobs"],
  scope: "read",
  query: listJobsQuery,
  answer: { description: "Newest first.", schema: listOf(jobSummary) },
  handler: async ({ services, principal, query }) => {
    const { status, kind, method, project_id: project, limit, after } = query;
    const filter = { statuses: status && [status], kind, method, projectId: project && projectId(project) };
    const page = await services.listJobs(principal, filter, { limit, after });
    const progress = await services.jobProgress(page.items);
    const items = page.items.map((job, index) => ({ ...job, progress: progress[index] ?? job.progress }));
    return fromPage({ ...page, items }, fromJobSummary);
  },
});

function projectId(text: string): string {
  const id = parseId(PREFIX.project, text);
  if (id === null) throw invalid("project_id", "is not the id of a project (ms-…)");
  return id;
}

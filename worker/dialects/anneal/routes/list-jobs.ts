import { defineRoute } from "../../../http/define-route";
import { filterId } from "../filter-id";
import { fromJobSummary, fromPage } from "../map";
import { jobSummary, listJobsQuery, listOf } from "../schema";

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
    const filter = { statuses: status && [status], kind, method, projectId: project && filterId("project", project) };
    const page = await services.listJobs(principal, filter, { limit, after });
    const progress = await services.jobProgress(page.items);
    const items = page.items.map((job, index) => ({ ...job, progress: progress[index] ?? job.progress }));
    return fromPage({ ...page, items }, fromJobSummary);
  },
});

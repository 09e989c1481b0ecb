import { defineRoute } from "../../../http/define-route";
import { fromDataset, fromProject } from "../map";
import { fromDeployment } from "../map-engines";
import { projectOf, readProject } from "../records";
import { MAX_LIST_ITEMS, projectDetail, projectParams } from "../schema";
import { summaries } from "../summaries";

export const retrieveProject = defineRoute({
  operationId: "emissary.retrieveProjectById",
  method: "get",
  path: "/v1/projects/{project_id}",
  scope: "read",
  summary: "Retrieve project",
  description:
    "With its datasets, training jobs and deployments, newest first, at most 1000 of each: the lists have the rest.",
  tags: ["Projects"],
  params: projectParams,
  firstRead: readProject,
  answer: { description: "The project", schema: projectDetail },
  handler: async ({ first, principal, services }) => {
    const project = projectOf({ first });
    const [inProject, page] = [{ projectId: project.id }, { limit: MAX_LIST_ITEMS }];
    const [datasets, jobs, deployments] = await Promise.all([
      services.listDatasets(principal, page, inProject),
      services.listJobs(principal, inProject, page),
      services.listDeployments(principal, inProject, page),
    ]);
    return {
      ...fromProject(project),
      datasets: datasets.items.map(fromDataset),
      training_jobs: await summaries(services, principal, jobs.items),
      deployments: deployments.items.map(fromDeployment),
    };
  },
});

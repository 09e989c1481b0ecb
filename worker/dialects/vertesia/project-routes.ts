/** The routes of projects. */
import type { Route } from "../../http/define-route";
import { createProject } from "./routes/create-project";
import { deleteProject } from "./routes/delete-project";
import { listProjects } from "./routes/list-projects";
import { retrieveProject } from "./routes/retrieve-project";
import { updateProject } from "./routes/update-project";
import { updateProjectConfiguration } from "./routes/update-project-configuration";

export const projectRoutes: Route[] = [
  listProjects,
  createProject,
  retrieveProject,
  updateProject,
  updateProjectConfiguration,
  deleteProject,
];

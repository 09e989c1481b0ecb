/** Accounts, projects, keys and tokens, bound to their ports. */
import type { Ports } from "./ports";
import * as accounts from "../services/accounts";
import * as deletion from "../services/delete-record";
import { issueToken } from "../services/issue-token";
import type { Services } from "../services/services";

export function accountServices(p: Ports) {
  return {
    createAccount: (name) => accounts.createAccount(p, name),
    listAccounts: (page) => accounts.listAccounts(p, page),
    createProject: (principal, name, more) => accounts.createProject(p, principal, name, more),
    updateProject: (principal, project, changes) => accounts.updateProject(p, principal, project, changes),
    nextProjectName: (principal, stem) => accounts.nextProjectName(p, principal, stem),
    listProjects: (principal, page) => accounts.listProjects(p, principal, page),
    getProject: (principal, id) => accounts.getProject(p, principal, id),
    deleteProject: (principal, project) => deletion.deleteProject(p, principal, project),
    createKey: (principal, name, prefix, scopes) => accounts.createKey(p, principal, name, prefix, scopes),
    listKeys: (principal, page) => accounts.listKeys(p, principal, page),
    revokeKey: (principal, id) => accounts.revokeKey(p, principal, id),
  } satisfies Partial<Services>;
}

export function tokenServices(p: Ports) {
  return {
    issueToken: (request) => issueToken(p, request),
    publicKeys: () => p.jwts.publicKeys(),
    rotateKeys: () => p.jwts.rotate(),
  } satisfies Partial<Services>;
}

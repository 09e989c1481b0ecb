/** Copies what the pages need from its npm package into the static assets: no page loads anything from elsewhere. */
import { copyFileSync, existsSync, mkdirSync, statSync } from "node:fs";
import path from "node:path";
import { root } from "./env";

/** Scalar's reference pages, one self-contained file. Git-ignored; made again when the package changes. */
export function prepareAssets(): void {
  const from = path.join(root, "node_modules", "@scalar", "api-reference", "dist", "browser", "standalone.js");
  const to = path.join(root, "dashboard", "assets", "scalar", "standalone.js");
  if (existsSync(to) && statSync(to).size === statSync(from).size) return;
  mkdirSync(path.dirname(to), { recursive: true });
  copyFileSync(from, to);
}

/** The project in Linear that a conversation becomes. */

import { call, Problem } from "./api.js";
import { $ } from "./dom.js";

/** Shows that the conversation is locked, and where its project is. */
export async function showProject(path, { signal }) {
  const link = $("project-link");
  link.hidden = true;
  try {
    const { project } = await call("GET", `${path}/project`, undefined, { signal });
    Object.assign(link, { href: project.linear_url, textContent: `“${project.title}” in Linear`, hidden: false });
  } catch (error) {
    if (!(error instanceof Problem && error.code === "project_not_found")) throw error;
  }
}

/** Asks, then creates the project from this version of the draft. True if there is one now. */
export async function createProject(path, { title, description }) {
  const warning = `Create the project “${title}” in Linear? This conversation can't be changed any more then.`;
  if (!confirm(warning)) return false;
  await call("POST", `${path}/project`, { title, description });
  return true;
}

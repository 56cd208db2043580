import { codeBuild } from '../../aws/clients';
import { everything, inPieces } from '../../aws/live';

export async function projects() {
  const names = await everything(async (nextToken) => {
    const page = await codeBuild.listProjects({ nextToken });
    return { items: page.projects, next: page.nextToken };
  });
  return inPieces(names, 100, async (names) => (await codeBuild.batchGetProjects({ names })).projects);
}

/** The newest builds of a project. */
export async function builds(projectName: string) {
  const { ids } = await codeBuild.listBuildsForProject({ projectName, sortOrder: 'DESCENDING' });
  return inPieces((ids ?? []).slice(0, 100), 100, async (ids) => (await codeBuild.batchGetBuilds({ ids })).builds);
}

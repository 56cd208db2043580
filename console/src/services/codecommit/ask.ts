import type { Commit, PullRequest } from '@aws-sdk/client-codecommit';
import { codeCommit } from '../../aws/clients';
import { everything } from '../../aws/live';

export function repositories() {
  return everything(async (nextToken) => {
    const page = await codeCommit.listRepositories({ nextToken });
    return { items: page.repositories, next: page.nextToken };
  });
}

export function branches(repositoryName: string): Promise<string[]> {
  return everything(async (nextToken) => {
    const page = await codeCommit.listBranches({ repositoryName, nextToken });
    return { items: page.branches, next: page.nextToken };
  });
}

/** A branch's newest commits along its first parents. */
export async function history(repositoryName: string, branchName: string, most = 30): Promise<Commit[]> {
  const { branch } = await codeCommit.getBranch({ repositoryName, branchName });
  const all: Commit[] = [];
  for (let commitId = branch?.commitId; commitId && all.length < most; ) {
    const { commit } = await codeCommit.getCommit({ repositoryName, commitId });
    if (!commit) break;
    all.push(commit);
    commitId = commit.parents?.[0];
  }
  return all;
}

export async function pullRequests(repositoryName: string): Promise<PullRequest[]> {
  const ids = await Promise.all(
    (['OPEN', 'CLOSED'] as const).map((pullRequestStatus) =>
      everything(async (nextToken) => {
        const page = await codeCommit.listPullRequests({ repositoryName, pullRequestStatus, nextToken });
        return { items: page.pullRequestIds, next: page.nextToken };
      }),
    ),
  );
  const found = await Promise.all(ids.flat().map((pullRequestId) => codeCommit.getPullRequest({ pullRequestId })));
  return found.flatMap((answer) => (answer.pullRequest ? [answer.pullRequest] : []));
}

/** What a file says in a blob; nothing of no blob. */
export async function text(repositoryName: string, blobId: string | undefined): Promise<string> {
  if (!blobId) return '';
  const { content } = await codeCommit.getBlob({ repositoryName, blobId });
  return content ? new TextDecoder().decode(content) : '';
}

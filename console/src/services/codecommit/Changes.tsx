// What changed between two commits, file by file.

import type { Difference } from '@aws-sdk/client-codecommit';
import { ExpandableSection, SpaceBetween } from '@cloudscape-design/components';
import { createTwoFilesPatch } from 'diff';
import { codeCommit } from '../../aws/clients';
import { everything, useLive } from '../../aws/live';
import { text } from './ask';

export function Changes({ repository, before, after }: { repository: string; before?: string; after: string }) {
  const { data } = useLive(
    ['codecommit-differences', repository, before, after],
    () =>
      everything(async (NextToken) => {
        const page = await codeCommit.getDifferences({ repositoryName: repository, beforeCommitSpecifier: before, afterCommitSpecifier: after, NextToken });
        return { items: page.differences, next: page.NextToken };
      }),
    60_000,
  );
  return (
    <SpaceBetween size="s">
      {data?.map((difference) => (
        <FileChange key={difference.afterBlob?.path ?? difference.beforeBlob?.path} repository={repository} difference={difference} />
      ))}
    </SpaceBetween>
  );
}

function FileChange({ repository, difference }: { repository: string; difference: Difference }) {
  const { beforeBlob, afterBlob } = difference;
  const path = afterBlob?.path ?? beforeBlob?.path ?? '';
  const { data } = useLive(
    ['codecommit-file-change', beforeBlob?.blobId, afterBlob?.blobId],
    async () => {
      const [old, young] = await Promise.all([text(repository, beforeBlob?.blobId), text(repository, afterBlob?.blobId)]);
      return createTwoFilesPatch(beforeBlob?.path ?? '', path, old, young).split('\n').slice(2);
    },
    600_000,
  );
  const colour = (line: string) => (/^\+(?!\+\+ )/.test(line) ? 'added' : /^-(?!-- )/.test(line) ? 'removed' : undefined);
  return (
    <ExpandableSection variant="container" defaultExpanded headerText={path} headerCounter={`(${difference.changeType})`}>
      <pre className="mono output" tabIndex={0}>
        {data?.map((line, at) => (
          <span key={at} className={colour(line)}>
            {line}
            {'\n'}
          </span>
        ))}
      </pre>
    </ExpandableSection>
  );
}

import { Button, SpaceBetween } from '@cloudscape-design/components';
import { useParams } from 'react-router-dom';
import { act } from '../../app/notices';
import { codeCommit } from '../../aws/clients';
import { useLive } from '../../aws/live';
import { Confirm } from '../../parts/Confirm';
import { Facts } from '../../parts/Facts';
import { below } from '../../parts/listing';
import { shortName, time } from '../../parts/names';
import { Page } from '../../parts/Page';
import { Status } from '../../parts/Status';
import { Changes } from './Changes';

export default function PullRequest() {
  const { id: repository = '', number: pullRequestId = '' } = useParams();
  const { data, error } = useLive(['codecommit-pull-request', pullRequestId], async () => (await codeCommit.getPullRequest({ pullRequestId })).pullRequest);
  const target = data?.pullRequestTargets?.[0];
  const open = data?.pullRequestStatus === 'OPEN';
  const branch = (reference: string | undefined) => reference?.replace('refs/heads/', '');
  return (
    <Page
      title={data?.title ?? `Pull request ${pullRequestId}`}
      crumbs={[
        ['Source repositories', '/codecommit'],
        [repository, `${below('/codecommit', repository)}?tab=pull-requests`],
      ]}
      error={error}
      actions={
        <SpaceBetween size="xs" direction="horizontal">
          <Confirm
            verb="Close"
            what={`pull request ${pullRequestId}`}
            consequence="It cannot be opened again."
            disabled={!open}
            action={() => codeCommit.updatePullRequestStatus({ pullRequestId, pullRequestStatus: 'CLOSED' })}
          />
          <Button
            disabled={!open}
            onClick={() =>
              void act('Approve', () => codeCommit.updatePullRequestApprovalState({ pullRequestId, revisionId: data?.revisionId, approvalState: 'APPROVE' }))
            }
          >
            Approve
          </Button>
          <Button
            variant="primary"
            disabled={!open}
            onClick={() => void act('Merge', () => codeCommit.mergePullRequestByThreeWay({ pullRequestId, repositoryName: repository }))}
          >
            Merge
          </Button>
        </SpaceBetween>
      }
    >
      <Facts
        facts={[
          ['Status', <Status key="s" state={data?.pullRequestStatus} />],
          ['From', branch(target?.sourceReference)],
          ['To', branch(target?.destinationReference)],
          ['Author', shortName(data?.authorArn)],
          ['Created', time(data?.creationDate)],
          ['Merged', target?.mergeMetadata?.isMerged ? `Yes, ${target.mergeMetadata.mergeCommitId?.slice(0, 8)}` : 'No'],
          ['Description', data?.description],
        ]}
      />
      {target?.sourceCommit && <Changes repository={repository} before={target.mergeBase ?? target.destinationCommit} after={target.sourceCommit} />}
    </Page>
  );
}

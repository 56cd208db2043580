import type { RepositoryMetadata } from '@aws-sdk/client-codecommit';
import { Box, Button, Container, Header, Select, SpaceBetween } from '@cloudscape-design/components';
import { useState } from 'react';
import { codeCommit } from '../../aws/clients';
import { useLive } from '../../aws/live';
import { Ask } from '../../parts/Ask';
import { Confirm } from '../../parts/Confirm';
import { Copied } from '../../parts/Facts';
import { below, detailPage } from '../../parts/listing';
import { time } from '../../parts/names';
import { Rows } from '../../parts/Rows';
import { Status } from '../../parts/Status';
import { To } from '../../parts/To';
import { branches, history, pullRequests } from './ask';
import { Changes } from './Changes';

export default detailPage({
  from: ['Source repositories', '/codecommit'],
  key: 'codecommit-repository',
  get: async (repositoryName) => (await codeCommit.getRepository({ repositoryName })).repositoryMetadata,
  facts: (r) => [
    ['Default branch', r.defaultBranch],
    ['Clone over HTTP', <Copied key="u" text={r.cloneUrlHttp} />],
    ['Description', r.repositoryDescription],
    ['Changed', time(r.lastModifiedDate)],
  ],
  tabs: (r, name) => [
    { id: 'code', label: 'Code', content: <OnBranch repository={r} show={(branch) => <Files name={name} branch={branch} />} /> },
    { id: 'commits', label: 'Commits', content: <OnBranch repository={r} show={(branch) => <Commits name={name} branch={branch} />} /> },
    { id: 'pull-requests', label: 'Pull requests', content: <PullRequests name={name} /> },
  ],
  actions: (_, name, leave) => (
    <Confirm
      verb="Delete"
      what={name}
      typed
      consequence="Its whole history goes with it."
      action={() => codeCommit.deleteRepository({ repositoryName: name })}
      onDone={leave}
    />
  ),
});

function OnBranch({ repository, show }: { repository: RepositoryMetadata; show: (branch: string) => React.ReactNode }) {
  const name = repository.repositoryName ?? '';
  const { data } = useLive(['codecommit-branches', name], () => branches(name));
  const [chosen, setChosen] = useState<string>();
  const branch = chosen ?? repository.defaultBranch ?? data?.[0];
  if (!branch) return <Box>Nothing has been pushed to this repository yet.</Box>;
  return (
    <SpaceBetween size="m">
      <Select
        ariaLabel="Branch"
        selectedOption={{ value: branch, label: branch }}
        options={(data ?? []).map((value) => ({ value, label: value }))}
        onChange={({ detail }) => setChosen(detail.selectedOption.value)}
      />
      {show(branch)}
    </SpaceBetween>
  );
}

function Files({ name, branch }: { name: string; branch: string }) {
  const [folder, setFolder] = useState('/');
  const [file, setFile] = useState<string>();
  const live = useLive(['codecommit-folder', name, branch, folder], async () => {
    const found = await codeCommit.getFolder({ repositoryName: name, commitSpecifier: branch, folderPath: folder });
    return [
      ...(found.subFolders ?? []).map((f) => ({ path: f.absolutePath ?? '', name: `${f.relativePath}/`, folder: true })),
      ...(found.files ?? []).map((f) => ({ path: f.absolutePath ?? '', name: f.relativePath ?? '', folder: false })),
    ];
  });
  const content = useLive(file ? ['codecommit-file', name, branch, file] : undefined, async () => {
    const found = await codeCommit.getFile({ repositoryName: name, commitSpecifier: branch, filePath: file });
    return new TextDecoder().decode(found.fileContent);
  });
  const parent = folder.replace(/\/?[^/]+\/?$/, '') || '/';
  return (
    <SpaceBetween size="l">
      <Rows
        title={folder === '/' ? name : folder}
        live={live}
        id={(f) => f.path}
        actions={folder !== '/' && <Button onClick={() => setFolder(parent)}>Up</Button>}
        columns={[
          {
            header: 'Name',
            cell: (f) => (
              <Button variant="inline-link" onClick={() => (f.folder ? setFolder(f.path) : setFile(f.path))}>
                {f.name}
              </Button>
            ),
            by: (f) => f.name,
            width: 300,
          },
        ]}
      />
      {file && (
        <Container header={<Header variant="h2">{file}</Header>}>
          <pre className="mono output" tabIndex={0}>
            {content.data}
          </pre>
        </Container>
      )}
    </SpaceBetween>
  );
}

function Commits({ name, branch }: { name: string; branch: string }) {
  const live = useLive(['codecommit-history', name, branch], () => history(name, branch), 3000);
  const [shown, setShown] = useState<{ before?: string; after: string }>();
  return (
    <SpaceBetween size="l">
      <Rows
        title="Commits"
        live={live}
        id={(c) => c.commitId ?? ''}
        columns={[
          {
            header: 'Commit',
            cell: (c) => (
              <Button variant="inline-link" onClick={() => setShown({ before: c.parents?.[0], after: c.commitId ?? '' })}>
                {c.commitId?.slice(0, 8)}
              </Button>
            ),
            by: (c) => c.commitId,
          },
          { header: 'Message', cell: (c) => c.message, by: (c) => c.message, width: 380 },
          { header: 'Author', cell: (c) => c.author?.name, by: (c) => c.author?.name },
          { header: 'When', cell: (c) => time(Number(c.committer?.date?.split(' ')[0]) * 1000), width: 180 },
        ]}
      />
      {shown && <Changes repository={name} before={shown.before} after={shown.after} />}
    </SpaceBetween>
  );
}

function PullRequests({ name }: { name: string }) {
  const live = useLive(['codecommit-pull-requests', name], () => pullRequests(name));
  const all = useLive(['codecommit-branches', name], () => branches(name));
  return (
    <Rows
      title="Pull requests"
      live={live}
      id={(p) => p.pullRequestId ?? ''}
      actions={
        <Ask
          primary
          verb="Create pull request"
          title="Create pull request"
          fields={[
            { name: 'title', label: 'Title' },
            { name: 'from', label: 'From', kind: { options: all.data ?? [] } },
            { name: 'to', label: 'To', kind: { options: all.data ?? [] } },
            { name: 'description', label: 'Description', kind: 'long', optional: true },
          ]}
          action={({ title, from, to, description }) =>
            codeCommit.createPullRequest({ title, description: description || undefined, targets: [{ repositoryName: name, sourceReference: from, destinationReference: to }] })
          }
        />
      }
      columns={[
        { header: 'Title', cell: (p) => <To href={`${below('/codecommit', name)}/pull-requests/${p.pullRequestId}`}>{p.title}</To>, by: (p) => p.title, width: 280 },
        { header: 'Number', cell: (p) => p.pullRequestId, by: (p) => Number(p.pullRequestId) },
        { header: 'Status', cell: (p) => <Status state={p.pullRequestStatus} />, by: (p) => p.pullRequestStatus },
        { header: 'Created', cell: (p) => time(p.creationDate), by: (p) => p.creationDate?.getTime(), width: 180 },
      ]}
    />
  );
}

import { Container, CopyToClipboard, Header, SpaceBetween } from '@cloudscape-design/components';
import { useState } from 'react';
import { ecr } from '../../aws/clients';
import { useLive } from '../../aws/live';
import { session } from '../../aws/session';
import { Confirm } from '../../parts/Confirm';
import { Copied } from '../../parts/Facts';
import { detailPage } from '../../parts/listing';
import { bytes, time } from '../../parts/names';
import { Rows } from '../../parts/Rows';
import { images, manifest } from './ask';

export default detailPage({
  from: ['Repositories', '/ecr/repositories'],
  key: 'ecr-repository',
  get: async (name) => (await ecr.describeRepositories({ repositoryNames: [name] })).repositories?.[0],
  facts: (r) => [
    ['URI', <Copied key="u" text={r.repositoryUri} />],
    ['Tags', r.imageTagMutability],
    ['Encryption', r.encryptionConfiguration?.encryptionType],
    ['Created', time(r.createdAt)],
  ],
  tabs: (r, name) => [
    { id: 'images', label: 'Images', content: <Images name={name} /> },
    { id: 'push', label: 'Push commands', content: <Push uri={r.repositoryUri ?? ''} name={name} /> },
  ],
  actions: (_, name, leave) => (
    <Confirm
      verb="Delete"
      what={name}
      typed
      consequence="Its images go with it."
      action={() => ecr.deleteRepository({ repositoryName: name, force: true })}
      onDone={leave}
    />
  ),
});

function Images({ name }: { name: string }) {
  const live = useLive(['ecr-images', name], () => images(name));
  const [chosen, setChosen] = useState<string>();
  return (
    <SpaceBetween size="l">
      <Rows
        title="Images"
        live={live}
        id={(i) => i.imageDigest ?? ''}
        choose="single"
        empty="No image has been pushed. The push commands say how."
        onChoose={([image]) => setChosen(image?.imageDigest)}
        actions={([image]) => (
          <Confirm
            verb="Delete"
            what={image?.imageTags?.[0] ?? image?.imageDigest ?? ''}
            disabled={!image}
            action={() => ecr.batchDeleteImage({ repositoryName: name, imageIds: [{ imageDigest: image.imageDigest }] })}
            onDone={() => setChosen(undefined)}
          />
        )}
        columns={[
          { header: 'Tags', cell: (i) => i.imageTags?.join(', ') ?? 'untagged', by: (i) => i.imageTags?.join(), width: 140 },
          { header: 'Digest', cell: (i) => <Copied text={i.imageDigest} />, by: (i) => i.imageDigest, width: 320 },
          { header: 'Size', cell: (i) => bytes(i.imageSizeInBytes), by: (i) => i.imageSizeInBytes },
          { header: 'Pushed', cell: (i) => time(i.imagePushedAt), by: (i) => i.imagePushedAt?.getTime(), width: 180 },
          { header: 'Type', cell: (i) => i.artifactMediaType ?? i.imageManifestMediaType ?? '–', width: 200 },
        ]}
      />
      {chosen && <Layers name={name} digest={chosen} />}
    </SpaceBetween>
  );
}

function Layers({ name, digest }: { name: string; digest: string }) {
  const live = useLive(['ecr-manifest', name, digest], () => manifest(name, digest), 60_000);
  const layers = (live.data?.layers ?? []).map(({ digest, size, mediaType }) => ({ digest, size, what: mediaType }));
  const platforms = (live.data?.manifests ?? []).map(({ digest, size, platform }) => ({
    digest,
    size,
    what: platform ? `${platform.os}/${platform.architecture}` : 'manifest',
  }));
  const parts = [...layers, ...platforms];
  return (
    <Rows
      title="Layers"
      description={digest}
      live={{ ...live, data: live.data && parts }}
      id={(l) => l.digest}
      columns={[
        { header: 'Digest', cell: (l) => l.digest, by: (l) => l.digest, width: 420 },
        { header: 'Size', cell: (l) => bytes(l.size), by: (l) => l.size },
        { header: 'What', cell: (l) => l.what, by: (l) => l.what, width: 260 },
      ]}
    />
  );
}

function Push({ uri, name }: { uri: string; name: string }) {
  const { region } = session();
  const registry = uri.split('/')[0];
  const commands = [
    `aws ecr get-login-password --region ${region} | docker login --username AWS --password-stdin ${registry}`,
    `docker build -t ${name} .`,
    `docker tag ${name}:latest ${uri}:latest`,
    `docker push ${uri}:latest`,
  ];
  return (
    <Container header={<Header variant="h2" description="With the variables that `neargate env` prints.">Push an image</Header>}>
      <SpaceBetween size="s">
        {commands.map((command) => (
          <div key={command}>
            <CopyToClipboard variant="icon" textToCopy={command} copyButtonAriaLabel="Copy" copySuccessText="Copied" copyErrorText="Not copied" />
            <code className="mono">{command}</code>
          </div>
        ))}
      </SpaceBetween>
    </Container>
  );
}

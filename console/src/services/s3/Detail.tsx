import { Button, FileUpload, SpaceBetween } from '@cloudscape-design/components';
import { useState } from 'react';
import { act } from '../../app/notices';
import { s3 } from '../../aws/clients';
import { useLive } from '../../aws/live';
import { Confirm } from '../../parts/Confirm';
import { detailPage } from '../../parts/listing';
import { bytes, time } from '../../parts/names';
import { Rows } from '../../parts/Rows';

export default detailPage({
  from: ['Buckets', '/buckets'],
  key: 's3-bucket',
  get: async (Bucket) => {
    const [versioning, location] = await Promise.all([s3.getBucketVersioning({ Bucket }), s3.getBucketLocation({ Bucket })]);
    return { versioning: versioning.Status, location: location.LocationConstraint };
  },
  facts: (b) => [
    ['Region', b.location ?? 'us-east-1'],
    ['Versioning', b.versioning ?? 'Off'],
  ],
  tabs: (_, bucket) => [{ id: 'objects', label: 'Objects', content: <Objects bucket={bucket} /> }],
});

interface Entry {
  key: string;
  folder: boolean;
  size?: number;
  changed?: Date;
}

/** More than these of a folder are not listed. */
const MOST = 10_000;

async function list(Bucket: string, Prefix: string): Promise<Entry[]> {
  const all: Entry[] = [];
  let ContinuationToken: string | undefined;
  do {
    const page = await s3.listObjectsV2({ Bucket, Prefix, Delimiter: '/', ContinuationToken });
    all.push(...(page.CommonPrefixes ?? []).map((p) => ({ key: p.Prefix ?? '', folder: true })));
    all.push(...(page.Contents ?? []).map((o) => ({ key: o.Key ?? '', folder: false, size: o.Size, changed: o.LastModified })));
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken && all.length < MOST);
  return all;
}

function Objects({ bucket }: { bucket: string }) {
  const [prefix, setPrefix] = useState('');
  const [files, setFiles] = useState<File[]>([]);
  const live = useLive(['s3-objects', bucket, prefix], () => list(bucket, prefix), 2000);
  const upload = async () => {
    for (const file of files) {
      await act(`Upload ${file.name}`, async () =>
        s3.putObject({ Bucket: bucket, Key: prefix + file.name, Body: new Uint8Array(await file.arrayBuffer()), ContentType: file.type || undefined }),
      );
    }
    setFiles([]);
  };
  return (
    <SpaceBetween size="l">
      <Rows
        title={prefix || 'Objects'}
        live={live}
        id={(o) => o.key}
        choose="multi"
        actions={(chosen) => {
          const objects = chosen.filter((o) => !o.folder);
          return (
            <>
              {prefix && <Button onClick={() => setPrefix(prefix.replace(/[^/]+\/$/, ''))}>Up</Button>}
              <Button disabled={objects.length !== 1} onClick={() => void act(`Download ${objects[0].key}`, () => download(bucket, objects[0].key))}>
                Download
              </Button>
              <Confirm
                verb="Delete"
                what={objects.length === 1 ? objects[0].key : `${objects.length} objects`}
                disabled={objects.length === 0}
                action={() => s3.deleteObjects({ Bucket: bucket, Delete: { Objects: objects.map((o) => ({ Key: o.key })) } })}
              />
            </>
          );
        }}
        columns={[
          {
            header: 'Name',
            cell: (o) =>
              o.folder ? (
                <Button variant="inline-link" onClick={() => setPrefix(o.key)}>
                  {o.key.slice(prefix.length)}
                </Button>
              ) : (
                o.key.slice(prefix.length)
              ),
            by: (o) => o.key,
            width: 320,
          },
          { header: 'Size', cell: (o) => (o.folder ? '–' : bytes(o.size)), by: (o) => o.size },
          { header: 'Changed', cell: (o) => time(o.changed), by: (o) => o.changed?.getTime(), width: 180 },
        ]}
      />
      <FileUpload
        value={files}
        multiple
        showFileSize
        onChange={({ detail }) => setFiles(detail.value)}
        i18nStrings={{
          uploadButtonText: () => 'Choose files',
          dropzoneText: () => 'Drop files here',
          removeFileAriaLabel: (at) => `Remove file ${at + 1}`,
          limitShowFewer: 'Fewer',
          limitShowMore: 'More',
          errorIconAriaLabel: 'Error',
        }}
      />
      {files.length > 0 && (
        <Button variant="primary" onClick={() => void upload()}>
          Upload
        </Button>
      )}
    </SpaceBetween>
  );
}

async function download(Bucket: string, Key: string) {
  const { Body } = await s3.getObject({ Bucket, Key });
  const content = await Body?.transformToByteArray();
  const address = URL.createObjectURL(new Blob([new Uint8Array(content ?? [])]));
  const link = document.createElement('a');
  link.href = address;
  link.download = Key.split('/').pop() ?? Key;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

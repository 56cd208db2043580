import { s3 } from '../../aws/clients';
import { below, listPage } from '../../parts/listing';
import { time } from '../../parts/names';

export default listPage({
  title: 'Buckets',
  noun: 'Bucket',
  key: 's3-buckets',
  list: async () => (await s3.listBuckets({})).Buckets ?? [],
  id: (b) => b.Name ?? '',
  href: (b) => below('/buckets', b.Name),
  columns: [
    { header: 'Region', cell: (b) => b.BucketRegion ?? '–', by: (b) => b.BucketRegion },
    { header: 'Created', cell: (b) => time(b.CreationDate), by: (b) => b.CreationDate?.getTime(), width: 180 },
  ],
  create: { verb: 'Create bucket', fields: [{ name: 'Bucket', label: 'Name' }], go: ({ Bucket }) => s3.createBucket({ Bucket }) },
  remove: { consequence: 'It must be empty.', go: (b) => s3.deleteBucket({ Bucket: b.Name }) },
});

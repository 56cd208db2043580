import { ecr } from '../../aws/clients';
import { Copied } from '../../parts/Facts';
import { below, listPage } from '../../parts/listing';
import { time } from '../../parts/names';
import { repositories } from './ask';

export default listPage({
  title: 'Repositories',
  noun: 'Repository',
  key: 'ecr-repositories',
  list: repositories,
  id: (r) => r.repositoryName ?? '',
  href: (r) => below('/ecr/repositories', r.repositoryName),
  columns: [
    { header: 'URI', cell: (r) => <Copied text={r.repositoryUri} />, by: (r) => r.repositoryUri, width: 300 },
    { header: 'Tags', cell: (r) => (r.imageTagMutability === 'IMMUTABLE' ? 'Immutable' : 'Mutable'), by: (r) => r.imageTagMutability },
    { header: 'Created', cell: (r) => time(r.createdAt), by: (r) => r.createdAt?.getTime(), width: 180 },
  ],
  create: {
    verb: 'Create repository',
    fields: [
      { name: 'repositoryName', label: 'Name' },
      { name: 'imageTagMutability', label: 'Tags', kind: { options: ['MUTABLE', 'IMMUTABLE'] }, value: 'MUTABLE' },
    ],
    go: ({ repositoryName, imageTagMutability }) =>
      ecr.createRepository({ repositoryName, imageTagMutability: imageTagMutability as 'MUTABLE' | 'IMMUTABLE' }),
  },
  remove: { consequence: 'Its images go with it.', go: (r) => ecr.deleteRepository({ repositoryName: r.repositoryName, force: true }) },
});

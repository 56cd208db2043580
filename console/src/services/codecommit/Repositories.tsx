import { codeCommit } from '../../aws/clients';
import { below, listPage } from '../../parts/listing';
import { repositories } from './ask';

export default listPage({
  title: 'Source repositories',
  noun: 'Repository',
  key: 'codecommit-repositories',
  list: repositories,
  id: (r) => r.repositoryName ?? '',
  href: (r) => below('/codecommit', r.repositoryName),
  columns: [{ header: 'ID', cell: (r) => r.repositoryId, by: (r) => r.repositoryId, width: 300 }],
  create: {
    verb: 'Create repository',
    fields: [
      { name: 'repositoryName', label: 'Name' },
      { name: 'repositoryDescription', label: 'Description', optional: true },
    ],
    go: ({ repositoryName, repositoryDescription }) => codeCommit.createRepository({ repositoryName, repositoryDescription: repositoryDescription || undefined }),
  },
  remove: { consequence: 'Its whole history goes with it.', go: (r) => codeCommit.deleteRepository({ repositoryName: r.repositoryName }) },
});

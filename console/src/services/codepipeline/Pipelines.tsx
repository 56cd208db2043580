import { codePipeline } from '../../aws/clients';
import { below, listPage } from '../../parts/listing';
import { time } from '../../parts/names';
import { pipelines } from './ask';

export default listPage({
  title: 'Pipelines',
  noun: 'Pipeline',
  key: 'codepipeline-pipelines',
  list: pipelines,
  id: (p) => p.name ?? '',
  href: (p) => below('/pipelines', p.name),
  columns: [
    { header: 'Version', cell: (p) => p.version, by: (p) => p.version },
    { header: 'Type', cell: (p) => p.pipelineType, by: (p) => p.pipelineType },
    { header: 'Changed', cell: (p) => time(p.updated), by: (p) => p.updated?.getTime(), width: 180 },
  ],
  create: {
    verb: 'Create pipeline',
    fields: [{ name: 'pipeline', label: 'Pipeline', kind: 'json', hint: 'As `aws codepipeline create-pipeline --pipeline` takes it.' }],
    go: ({ pipeline }) => codePipeline.createPipeline({ pipeline: JSON.parse(pipeline) as never }),
  },
  remove: { go: (p) => codePipeline.deletePipeline({ name: p.name }) },
});

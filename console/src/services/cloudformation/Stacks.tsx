import { cloudFormation } from '../../aws/clients';
import { below, listPage } from '../../parts/listing';
import { time } from '../../parts/names';
import { Status } from '../../parts/Status';
import { stacks } from './ask';

export const CAPABILITIES = ['CAPABILITY_IAM', 'CAPABILITY_NAMED_IAM', 'CAPABILITY_AUTO_EXPAND'] as const;

export default listPage({
  title: 'Stacks',
  noun: 'Stack',
  key: 'cloudformation-stacks',
  list: stacks,
  id: (s) => s.StackName ?? '',
  href: (s) => below('/stacks', s.StackName),
  columns: [
    { header: 'Status', cell: (s) => <Status state={s.StackStatus} why={s.StackStatusReason} />, by: (s) => s.StackStatus, width: 200 },
    { header: 'Created', cell: (s) => time(s.CreationTime), by: (s) => s.CreationTime?.getTime(), width: 180 },
    { header: 'Updated', cell: (s) => time(s.LastUpdatedTime), by: (s) => s.LastUpdatedTime?.getTime(), width: 180 },
    { header: 'Description', cell: (s) => s.Description, by: (s) => s.Description, width: 260 },
  ],
  create: {
    verb: 'Create stack',
    fields: [
      { name: 'StackName', label: 'Name' },
      { name: 'TemplateBody', label: 'Template', kind: 'long', hint: 'JSON or YAML. It may make roles.' },
      { name: 'parameters', label: 'Parameters', kind: 'long', hint: 'Name=value, one a line.', optional: true },
    ],
    go: ({ StackName, TemplateBody, parameters }) =>
      cloudFormation.createStack({
        StackName,
        TemplateBody,
        Capabilities: [...CAPABILITIES],
        Parameters: parameters
          .split('\n')
          .filter((line) => line.includes('='))
          .map((line) => ({ ParameterKey: line.slice(0, line.indexOf('=')), ParameterValue: line.slice(line.indexOf('=') + 1) })),
      }),
  },
  remove: { consequence: 'What it made goes with it.', go: (s) => cloudFormation.deleteStack({ StackName: s.StackName }) },
});

import { iam } from '../../aws/clients';
import { everything } from '../../aws/live';
import { below, listPage } from '../../parts/listing';
import { time } from '../../parts/names';

interface Principal {
  kind: 'Role' | 'User';
  name: string;
  arn: string;
  path: string;
  created?: Date;
}

const TRUST = JSON.stringify(
  { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: { Service: 'ecs-tasks.amazonaws.com' }, Action: 'sts:AssumeRole' }] },
  null,
  2,
);

export default listPage<Principal>({
  title: 'Roles and users',
  noun: 'Name',
  key: 'iam-principals',
  list: async () => {
    const [roles, users] = await Promise.all([
      everything(async (Marker) => {
        const page = await iam.listRoles({ Marker });
        return { items: page.Roles, next: page.Marker };
      }),
      everything(async (Marker) => {
        const page = await iam.listUsers({ Marker });
        return { items: page.Users, next: page.Marker };
      }),
    ]);
    return [
      ...roles.map((r) => ({ kind: 'Role' as const, name: r.RoleName ?? '', arn: r.Arn ?? '', path: r.Path ?? '', created: r.CreateDate })),
      ...users.map((u) => ({ kind: 'User' as const, name: u.UserName ?? '', arn: u.Arn ?? '', path: u.Path ?? '', created: u.CreateDate })),
    ];
  },
  id: (p) => `${p.kind}/${p.name}`,
  name: (p) => p.name,
  href: (p) => below('/iam', `${p.kind}/${p.name}`),
  columns: [
    { header: 'Kind', cell: (p) => p.kind, by: (p) => p.kind },
    { header: 'ARN', cell: (p) => p.arn, by: (p) => p.arn, width: 360 },
    { header: 'Created', cell: (p) => time(p.created), by: (p) => p.created?.getTime(), width: 180 },
  ],
  create: {
    verb: 'Create role',
    fields: [
      { name: 'RoleName', label: 'Name' },
      { name: 'AssumeRolePolicyDocument', label: 'Who may assume it', kind: 'json', value: TRUST },
    ],
    go: ({ RoleName, AssumeRolePolicyDocument }) => iam.createRole({ RoleName, AssumeRolePolicyDocument }),
  },
  remove: {
    consequence: 'It must have no policies, and a user no keys.',
    go: (p) => (p.kind === 'Role' ? iam.deleteRole({ RoleName: p.name }) : iam.deleteUser({ UserName: p.name })),
  },
});

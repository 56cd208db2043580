import { iam } from '../../aws/clients';
import { useLive } from '../../aws/live';
import { Ask } from '../../parts/Ask';
import { Confirm } from '../../parts/Confirm';
import { Copied, Json } from '../../parts/Facts';
import { detailPage } from '../../parts/listing';
import { time } from '../../parts/names';
import { Rows } from '../../parts/Rows';

/** `Role/NAME` or `User/NAME`. */
function parts(id: string): { isRole: boolean; name: string } {
  const at = id.indexOf('/');
  return { isRole: id.startsWith('Role/'), name: id.slice(at + 1) };
}

export default detailPage({
  from: ['Roles and users', '/iam'],
  key: 'iam-principal',
  get: async (id) => {
    const { isRole, name } = parts(id);
    if (isRole) {
      const { Role: r } = await iam.getRole({ RoleName: name });
      return { arn: r?.Arn, id: r?.RoleId, path: r?.Path, created: r?.CreateDate, trust: r?.AssumeRolePolicyDocument, description: r?.Description };
    }
    const { User: u } = await iam.getUser({ UserName: name });
    return { arn: u?.Arn, id: u?.UserId, path: u?.Path, created: u?.CreateDate };
  },
  title: (_, id) => parts(id).name,
  facts: (p) => [
    ['ID', p.id],
    ['Path', p.path],
    ['Created', time(p.created)],
    ['ARN', <Copied key="a" text={p.arn} />],
  ],
  tabs: (p, id) => [
    { id: 'policies', label: 'Policies', content: <Policies id={id} /> },
    ...(p.trust ? [{ id: 'trust', label: 'Trust', content: <Json title="Who may assume it" value={JSON.parse(decodeURIComponent(p.trust))} /> }] : []),
  ],
});

interface Policy {
  name: string;
  arn?: string;
}

function Policies({ id }: { id: string }) {
  const { isRole, name } = parts(id);
  const live = useLive(['iam-policies', id], async (): Promise<Policy[]> => {
    const [attached, own] = isRole
      ? await Promise.all([iam.listAttachedRolePolicies({ RoleName: name }), iam.listRolePolicies({ RoleName: name })])
      : await Promise.all([iam.listAttachedUserPolicies({ UserName: name }), iam.listUserPolicies({ UserName: name })]);
    return [
      ...(attached.AttachedPolicies ?? []).map((p) => ({ name: p.PolicyName ?? '', arn: p.PolicyArn })),
      ...(own.PolicyNames ?? []).map((policy) => ({ name: policy })),
    ];
  });
  const take = ({ name: policy, arn }: Policy) => {
    if (arn) return isRole ? iam.detachRolePolicy({ RoleName: name, PolicyArn: arn }) : iam.detachUserPolicy({ UserName: name, PolicyArn: arn });
    return isRole ? iam.deleteRolePolicy({ RoleName: name, PolicyName: policy }) : iam.deleteUserPolicy({ UserName: name, PolicyName: policy });
  };
  return (
    <Rows
      title="Policies"
      live={live}
      id={(p) => p.arn ?? p.name}
      choose="single"
      empty="No policies: nothing is allowed."
      actions={([policy]) => (
        <>
          <Confirm verb="Take away" what={policy?.name ?? ''} disabled={!policy} action={() => take(policy)} />
          <Ask
            verb="Write inline policy"
            title="Write inline policy"
            fields={[
              { name: 'policy', label: 'Name' },
              { name: 'document', label: 'Policy', kind: 'json', value: '{\n  "Version": "2012-10-17",\n  "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]\n}' },
            ]}
            action={({ policy, document }) =>
              isRole
                ? iam.putRolePolicy({ RoleName: name, PolicyName: policy, PolicyDocument: document })
                : iam.putUserPolicy({ UserName: name, PolicyName: policy, PolicyDocument: document })
            }
          />
          <Ask
            primary
            verb="Attach policy"
            title="Attach policy"
            fields={[{ name: 'arn', label: 'ARN', value: 'arn:aws:iam::aws:policy/' }]}
            action={({ arn }) => (isRole ? iam.attachRolePolicy({ RoleName: name, PolicyArn: arn }) : iam.attachUserPolicy({ UserName: name, PolicyArn: arn }))}
          />
        </>
      )}
      columns={[
        { header: 'Policy', cell: (p) => p.name, by: (p) => p.name, width: 260 },
        { header: 'ARN', cell: (p) => p.arn ?? 'inline', by: (p) => p.arn, width: 380 },
      ]}
    />
  );
}
